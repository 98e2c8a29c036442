// SPDX-License-Identifier: AGPL-3.0-or-later
// How the pages are, as an administrator sees them: on all screens, without a script, by keys alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESK, PHONE, go, hub_does, lab, launch, node, open, shot, stumbles, until } from "./shared.mjs";

const PAGES = ["/", "/nodes", `/nodes/${lab.ids.nas}`, `/nodes/${lab.ids.nas}?with=${lab.ids.laptop}`,
	`/nodes/${lab.ids.nas}/remove`, "/map", `/map?node=${lab.ids.nas}`, "/policy", "/policy/edit", "/routes", "/names",
	"/events", "/devices", "/tokens"];
const SHOWN = { overview: "/", nodes: "/nodes", node: `/nodes/${lab.ids.nas}`, map: "/map", policy: "/policy" };

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// --- how pages look ---

const LOOKS = { light: { colorScheme: "light", ...DESK }, dark: { colorScheme: "dark", ...DESK },
	phone: { colorScheme: "light", ...PHONE } };

for (const [look, options] of Object.entries(LOOKS))
	test(`every page is whole, ${look}, asks nobody else and makes nobody stumble`, async () => {
		const { context, page, wrong } = await open(browser, options);
		for (const path of PAGES) {
			await go(page, path);
			assert.equal(await page.locator("h1").count(), 1, path);
			wrong.push(...await stumbles(page));
			const [inner, across] = await page.evaluate(() => [innerWidth, document.scrollingElement.scrollWidth]);
			assert.ok(across <= inner, `${path} is ${across} wide on a screen of ${inner}`);
		}
		for (const [name, path] of Object.entries(SHOWN)) {
			await go(page, path);
			await page.locator("#live:not(.lost)").waitFor();
			await shot(page, `${name}-${look}`);
		}
		await context.close();
		assert.deepEqual(wrong, []);
	});

test("what nodes told is on the pages: who is relayed, why, how far it is and how it was", async () => {
	const { context, page, wrong } = await open(browser);
	await go(page, "/");
	await until("the relayed pair", async () => {
		await page.reload();
		return (await page.locator(".attention").textContent()).includes("talk through others");
	}, 90);
	await go(page, `/map?node=${lab.ids.nas}`);
	const pair = page.locator(`#p-${[lab.ids.laptop, lab.ids.nas].join("-")}, #p-${[lab.ids.nas, lab.ids.laptop].join("-")}`);
	assert.match(await pair.textContent(), /relayed.*hub/s);
	assert.equal(await page.locator(".map line.relayed").count(), 1);
	assert.ok(await page.locator(".map line.direct").count() > 0);
	await go(page, `/nodes/${lab.ids.nas}`);
	assert.match(await page.locator(".facts").last().textContent(), /running for/);
	await until("a chart", async () => {
		await page.reload();
		return /\d+ ms to /.test((await page.locator("figcaption").allTextContents()).join());
	});
	await context.close();
	assert.deepEqual(wrong, []);
});

test("on a phone the map's names can be read, and a finger meets its marks", async () => {
	const { context, page } = await open(browser, PHONE);
	for (const path of ["/map", `/map?node=${lab.ids.nas}`]) {
		await go(page, path);
		const [text, touch, met] = await page.evaluate(() => { // at once: the page follows the mesh
			const map = document.querySelector(".map"), scale = map.getScreenCTM().a, first = map.querySelector("a .touch");
			first.scrollIntoView({ block: "center", inline: "center" });
			const { x, y, height } = first.getBoundingClientRect();
			return [[...map.querySelectorAll("text")].map((e) => parseFloat(getComputedStyle(e).fontSize) * scale),
				[...map.querySelectorAll("a .touch")].map((e) => e.getBoundingClientRect().width),
				document.elementFromPoint(x + 1, y + height / 2)?.closest("a") === first.parentElement];
		});
		assert.ok(Math.min(...text) >= 10, `${path}: text of ${Math.min(...text)} px`);
		assert.ok(Math.min(...touch) >= 24, `${path}: marks of ${Math.min(...touch)} px`);
		assert.ok(met, `${path}: beside the dot one meets no link`);
	}
	await context.close();
});

test("on a phone long names of mesh and viewer have room", async () => {
	const { context, page } = await open(browser, PHONE);
	await go(page, "/");
	const [mark, viewer, nav, across] = await page.evaluate(() => {
		for (const e of document.querySelectorAll(".mark span, .viewer span:not(.role)"))
			e.textContent = "m".repeat(63);
		const all = [".mark", ".viewer", "nav"].map((s) => document.querySelector(s).getBoundingClientRect().toJSON());
		return [...all, document.scrollingElement.scrollWidth];
	});
	assert.ok(mark.bottom <= viewer.top && viewer.bottom <= nav.top, "they lie on each other");
	assert.ok(across <= PHONE.viewport.width, `the page is ${across} wide`);
	await context.close();
});

test("without a script all tables are there", async () => {
	const { context, page, wrong } = await open(browser, { javaScriptEnabled: false });
	for (const [path, row] of [["/nodes", "nas"], ["/names", "nas.mesh"], ["/routes", "192.168.77.0/24"], ["/events", "joined"],
		["/map", "relayed"]]) {
		await go(page, path);
		assert.match(await page.locator("tbody").first().textContent(), new RegExp(row), path);
	}
	assert.ok(await page.locator("#live").isHidden());
	await go(page, "/nodes?q=nas");
	assert.equal(await page.locator("tbody tr").count(), 1);
	await context.close();
	assert.deepEqual(wrong, []);
});

// --- keys alone ---

const REACHED = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

test("everything is reached by keys alone, and one sees where one is", async () => {
	const { context, page } = await open(browser);
	await context.route("**/live", (route) => route.abort()); // what is marked stays
	for (const path of PAGES) {
		await go(page, path);
		const n = await page.evaluate((all) => [...document.querySelectorAll(all)].filter((e) => e.checkVisibility())
			.map((e, i) => e.setAttribute("data-n", i)).length, REACHED);
		const seen = new Set();
		for (let i = 0; i < n + 3 && seen.size < n; i++) {
			await page.keyboard.press("Tab");
			const [at, outline] = await page.evaluate(() => [document.activeElement.getAttribute("data-n"),
				getComputedStyle(document.activeElement).outlineStyle]);
			if (at === null)
				continue;
			seen.add(at);
			assert.notEqual(outline, "none", `${path}: one does not see that ${at} has the focus`);
		}
		assert.equal(seen.size, n, path);
	}
	await context.close();
});

test("a member is renamed by keys alone", async () => {
	const { context, page } = await open(browser);
	await go(page, `/nodes/${lab.ids.nas}`);
	await page.keyboard.press("Tab");
	await page.keyboard.press("Enter"); // to the content
	assert.equal(await page.evaluate(() => location.hash), "#content");
	for (let i = 0; i < 80 && await page.evaluate(() => document.activeElement.id) !== "name"; i++)
		await page.keyboard.press("Tab");
	await page.keyboard.press("Control+A");
	await page.keyboard.type("disk");
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { level: 1, name: "disk" }).waitFor();
	assert.equal(node("disk").id, lab.ids.nas);
	hub_does("node", "rename", "disk", "nas");
	await context.close();
});
