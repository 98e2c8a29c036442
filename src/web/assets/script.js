// SPDX-License-Identifier: AGPL-3.0-or-later
// What a page gains by a script: it follows the mesh, filters while one types, and copies. Without it all is there.
"use strict";

const main = document.getElementById("content");
const live = document.getElementById("live");

function say(text, lost) {
	if (!live.hidden && live.textContent === text && live.classList.contains("lost") === lost)
		return; // or it would be read out again
	live.hidden = false;
	live.textContent = text;
	live.classList.toggle("lost", lost);
}

// --- follow the mesh: the coordinator says that something changed, and the page is fetched again ---

const PAUSE = 2000; // between two fetches, however much changes
// A coordinator that lost its power says nothing, not even that it goes: else it says something every 20 s.
const SILENCE = 50000, AGAIN = 10000;

// Where one types, or has chosen something, nothing is taken away.
function busy() {
	const at = document.activeElement;
	return at && main.contains(at) && at.matches("input, select, textarea, button") || !getSelection().isCollapsed;
}

const state_of = (row) => row.querySelector(".state")?.className;

// Rows are kept by their id, so that what changed can be lit, and focus and scrolling stay.
function follow_rows(now, next) {
	const old = new Map([...now.querySelectorAll("tr[id]")].map((row) => [row.id, row]));
	for (const row of next.querySelectorAll("tr[id]")) {
		const was = old.get(row.id);
		if (was && was.innerHTML === row.innerHTML)
			row.replaceWith(was);
		else if (was && state_of(was) !== state_of(row))
			row.classList.add("changed");
	}
	now.replaceWith(next);
}

// What finds in the next version of a part what has the focus now.
function place_of(at) {
	const named = (attribute) => at.hasAttribute(attribute) && `[${attribute}="${CSS.escape(at.getAttribute(attribute))}"]`;
	if (at.matches("details[id] > summary"))
		return `#${CSS.escape(at.parentElement.id)} > summary`;
	return at.matches(".scroll") ? named("aria-label") : named("href");
}

function follow(text) {
	const next = new DOMParser().parseFromString(text, "text/html");
	for (const part of main.querySelectorAll("[data-live]")) {
		const fresh = next.querySelector(`[data-live="${part.dataset.live}"]`);
		if (!fresh || fresh.innerHTML === part.innerHTML)
			continue;
		const at = document.activeElement;
		const place = part.contains(at) && place_of(at);
		const focused = part.contains(at) && (at.closest("tr[id]")?.id);
		const across = part.querySelector(".scroll")?.scrollLeft;
		for (const open of part.querySelectorAll("details[id][open]"))
			fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
		follow_rows(part, document.adoptNode(fresh));
		if (fresh.dataset.say)
			say(fresh.dataset.say, false);
		const scroll = fresh.querySelector(".scroll"); // a table may have become a sentence
		if (scroll && across)
			scroll.scrollLeft = across;
		if (place) {
			const within = focused ? document.getElementById(focused) : fresh;
			within?.querySelector(place)?.focus({ preventScroll: true });
		}
	}
	filter_now();
}

let wanted = false, fetching = false, last = 0;

function shown(text) {
	if (live.classList.contains("lost"))
		say("live", false);
	follow(text);
}

function refused() {
	say("the coordinator cannot show it now, trying again", true);
	wanted = true;
}

async function look() {
	if (!wanted || fetching || document.hidden || busy())
		return;
	fetching = true;
	wanted = false;
	await new Promise((done) => setTimeout(done, Math.max(0, last + PAUSE - Date.now())));
	try {
		// What was posted is shown at the address of the action, which cannot be fetched.
		const at = main.dataset.at ?? location.pathname + location.search;
		const answer = await fetch(at, { signal: AbortSignal.timeout(AGAIN) });
		const text = await answer.text();
		if (busy() || answer.status === 429) // one has begun to type meanwhile, or looked too often
			wanted = true;
		else if (answer.ok && !answer.redirected)
			shown(text);
		else if (answer.status === 409 || answer.status >= 500) // not now, says the coordinator
			refused();
		else if (main.querySelector("[data-copy]")) // which nobody is shown again
			say("not followed any more", true);
		else // it is gone, no longer for who looks, or asks for a login: the answer says which
			location.replace(at);
	} catch {
		wanted = true; // again after the pause, until the coordinator answers
	}
	last = Date.now();
	fetching = false;
	look();
}

let stream, silent_at;

function lost() {
	say("the coordinator does not answer, trying again", true);
}

function heard() {
	silent_at = Date.now() + SILENCE;
}

function listen() {
	stream?.close();
	const here = stream = new EventSource("/live");
	stream.addEventListener("open", () => { heard(); say("live", false); wanted = true; look(); });
	stream.addEventListener("changed", () => { heard(); wanted = true; look(); });
	stream.addEventListener("beat", heard);
	stream.addEventListener("error", () => {
		lost();
		if (here.readyState === EventSource.CLOSED) { // it was refused: the page tells more
			wanted = true;
			look();
		}
	});
}

if (main.querySelector("[data-live]")) {
	// A browser has few connections for one host: tabs that nobody looks at hold none.
	const turn = () => {
		heard();
		if (document.hidden)
			stream?.close();
		else
			listen();
	};
	turn();
	setInterval(() => {
		if (document.hidden || Date.now() < silent_at)
			return;
		lost();
		silent_at = Date.now() + AGAIN;
		listen();
	}, 1000);
	document.addEventListener("visibilitychange", turn);
	document.addEventListener("focusout", () => setTimeout(look));
}

// --- filter rows while one types ---

const field = document.querySelector("[data-filter]");

function filter_now() {
	if (!field || !field.dataset.typed)
		return;
	const word = field.value.trim().toLowerCase();
	let n = 0;
	for (const row of main.querySelectorAll("tbody tr")) {
		row.hidden = !row.textContent.toLowerCase().includes(word);
		n += !row.hidden;
	}
	const count = main.querySelector(".count");
	if (count)
		count.textContent = `${n} shown`;
}

if (field && !new URLSearchParams(location.search).get("q"))
	field.addEventListener("input", () => { field.dataset.typed = "yes"; filter_now(); });

// --- copy ---

for (const from of document.querySelectorAll("[data-copy]")) {
	const button = document.createElement("button");
	button.type = "button";
	button.className = "second";
	button.textContent = "Copy";
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(from.textContent);
			button.textContent = "Copied";
		} catch { // no clipboard without TLS: what is to be copied is selected instead
			getSelection().selectAllChildren(from);
			button.textContent = "Selected: copy it";
		}
	});
	from.after(button);
}
