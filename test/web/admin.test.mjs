// SPDX-License-Identifier: AGPL-3.0-or-later
// An administrator's browser, on a member of the mesh: what is live, and what is done.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { after, before, test } from "node:test";
import { PHONE, go, hub, hub_does, lab, launch, node, open, until } from "./shared.mjs";

const POLICY = "rules:\n  - {allow: any, from: any, to: any}\n";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// --- live ---

test("a page follows the mesh, and keeps where one is", async () => {
	const { context, page, wrong } = await open(browser);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	await page.evaluate(() => { window.here = true; });
	const link = page.getByRole("link", { name: "nas", exact: true });
	await link.focus();
	hub_does("node", "tag", "nas", "--add", "seen-live");
	await page.locator(".tag", { hasText: "seen-live" }).waitFor();
	assert.ok(await page.evaluate(() => window.here), "it was loaded anew");
	assert.ok(await link.evaluate((a) => a === document.activeElement), "the focus is elsewhere");
	hub_does("node", "tag", "nas", "--remove", "seen-live");
	await page.locator(".tag", { hasText: "seen-live" }).waitFor({ state: "detached" });
	await context.close();
	assert.deepEqual(wrong, []);
});

test("focus, scrolling and what is open stay", async () => {
	const { context, page, wrong } = await open(browser, PHONE);
	const seen = () => page.evaluate(() => {
		const at = document.activeElement;
		return { on: at.className || at.localName, open: document.querySelectorAll("details[open]").length,
			across: document.querySelector(".scroll").scrollLeft };
	});
	await until("a change of a path", async () => {
		await go(page, `/nodes/${lab.ids.nas}`);
		return await page.locator("summary").count() > 0;
	}, 90);
	await page.locator("#live:not(.lost)").waitFor();
	await page.locator("summary").first().focus();
	await page.keyboard.press("Enter");
	await page.evaluate(() => { document.querySelector(".scroll").scrollLeft = 40; });
	hub_does("node", "tag", "nas", "--add", "kept-open");
	await page.locator(".tag", { hasText: "kept-open" }).waitFor();
	assert.deepEqual(await seen(), { on: "summary", open: 1, across: 40 });
	await page.locator(".scroll").first().focus();
	hub_does("node", "tag", "nas", "--remove", "kept-open");
	await page.locator(".tag", { hasText: "kept-open" }).waitFor({ state: "detached" });
	assert.deepEqual(await seen(), { on: "scroll", open: 1, across: 40 });
	await context.close();
	assert.deepEqual(wrong, []);
});

test("what is already said is not said again", async () => {
	const { context, page } = await open(browser);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	await page.evaluate(() => {
		window.said = 0;
		new MutationObserver(() => { window.said++; }).observe(document.getElementById("live"), { childList: true, attributes: true });
	});
	const answers = [];
	page.on("response", (r) => answers.push(new URL(r.url()).pathname));
	await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange"))); // as of one who comes back
	await until("the page again", () => /live .*nodes/.test(answers.join(" ")));
	assert.equal(await page.evaluate(() => window.said), 0);
	await context.close();
});

test("what cannot be shown for a while is asked for again", async () => {
	const { context, page } = await open(browser);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	await page.route("**/nodes", (route) => route.fulfill({ status: 503, body: "" }));
	hub_does("node", "tag", "nas", "--add", "again");
	await page.locator("#live.lost").waitFor();
	await page.unroute("**/nodes");
	await page.locator(".tag", { hasText: "again" }).waitFor();
	await page.locator("#live:not(.lost)").waitFor();
	hub_does("node", "tag", "nas", "--remove", "again");
	await context.close();
});

test("a page that is not for its viewer any more says so", async () => {
	const { context, page } = await open(browser);
	await go(page, "/tokens");
	await page.locator("#live:not(.lost)").waitFor();
	hub_does("node", "tag", "desk", "--remove", "admin");
	try {
		await page.getByRole("alert").waitFor();
		assert.equal(await page.locator("[data-live]").count(), 0);
	} finally {
		hub_does("node", "tag", "desk", "--add", "admin");
	}
	await context.close();
});

test("while one types, nothing is taken away", async () => {
	const { context, page } = await open(browser);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	await page.getByRole("searchbox").fill("nas");
	assert.equal(await page.locator("tbody tr:visible").count(), 1);
	hub_does("node", "tag", "nas", "--add", "typed");
	await page.waitForResponse((r) => r.url().endsWith("/nodes"), { timeout: 5000 }).catch(() => null);
	assert.equal(await page.locator(".tag", { hasText: "typed" }).count(), 0);
	assert.equal(await page.getByRole("searchbox").inputValue(), "nas");
	await page.getByRole("searchbox").blur();
	await page.locator(".tag", { hasText: "typed" }).waitFor();
	assert.equal(await page.locator("tbody tr:visible").count(), 1);
	hub_does("node", "tag", "nas", "--remove", "typed");
	await context.close();
});

test("a coordinator that went without a word is missed, and followed again", async () => {
	const { context, page } = await open(browser);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	process.kill(hub("status").pid, "SIGKILL");
	await page.locator("#live.lost").waitFor({ timeout: 90000 });
	hub_does("up");
	await page.locator("#live:not(.lost)").waitFor({ timeout: 90000 });
	await context.close();
});

// --- what an administrator does ---

async function sent(page, name) {
	const shown = page.waitForNavigation();
	await page.getByRole("button", { name, exact: true }).click();
	await shown;
}

// By whom and how it was, as the mesh remembers it.
async function is_audited(page, text) {
	await go(page, "/events");
	const row = page.locator("tbody tr").filter({ hasText: text }).first();
	assert.match(await row.textContent(), /desk.*in the dashboard/s, text);
}

test("a member is renamed, tagged, called otherwise and removed after a question", async () => {
	const { context, page, wrong } = await open(browser);
	const own = `/nodes/${lab.ids.spare}`;
	await go(page, own);
	await page.getByLabel("Name", { exact: true }).fill("extra");
	await page.getByLabel("the old one stays as an alias").check();
	await sent(page, "Rename");
	assert.deepEqual(node("extra").aliases, ["spare"]);
	await page.getByLabel("Tags to add").fill("one two");
	await sent(page, "Change tags");
	assert.deepEqual(node("extra").tags.sort(), ["one", "two"]);
	await page.getByLabel("Aliases to remove").fill("spare");
	await sent(page, "Change aliases");
	assert.deepEqual(node("extra").aliases, []);
	await page.getByRole("link", { name: /^Remove extra/ }).click();
	await page.getByRole("link", { name: "Keep it" }).click();
	assert.ok(node("extra"));
	const other = await open(browser);
	await go(other.page, "/nodes/extra");
	await other.page.locator("#live:not(.lost)").waitFor();
	await page.getByRole("link", { name: /^Remove extra/ }).click();
	await sent(page, "Remove extra");
	assert.equal(new URL(page.url()).pathname, "/nodes");
	assert.equal(node("extra"), undefined);
	await other.page.getByText("There is no such member").waitFor();
	assert.ok(await other.page.locator("#live").isHidden());
	await other.context.close();
	for (const text of ["spare is called extra now", "extra has these tags now", "extra was removed"])
		await is_audited(page, text);
	await context.close();
	assert.deepEqual(wrong, []);
});

test("what is refused is said where it was asked, and what was written is still there", async () => {
	const { context, page } = await open(browser);
	await go(page, `/nodes/${lab.ids.nas}`);
	await page.getByLabel("Name", { exact: true }).fill("hub");
	await sent(page, "Rename");
	assert.match(await page.getByRole("alert").textContent(), /hub/);
	assert.ok(node("nas"));
	await go(page, "/policy/edit");
	await page.getByLabel("The document").fill("rules: [nonsense");
	await sent(page, "Put it in force");
	assert.notEqual(await page.getByRole("alert").textContent(), "");
	assert.equal(await page.getByLabel("The document").inputValue(), "rules: [nonsense");
	await context.close();
});

test("a network is approved and withdrawn", async () => {
	const { context, page, wrong } = await open(browser);
	const approved = () => hub("route", "list").routes.find((r) => r.net === "192.168.77.0/24").approved;
	await go(page, "/routes");
	await sent(page, "Approve 192.168.77.0/24 of nas");
	assert.equal(approved(), true);
	await sent(page, "Withdraw 192.168.77.0/24 of nas");
	assert.equal(approved(), false);
	await is_audited(page, "192.168.77.0/24 behind nas was approved");
	await context.close();
	assert.deepEqual(wrong, []);
});

test("a token is made, shown once, copied and revoked", async () => {
	const { context, page, wrong } = await open(browser);
	await go(page, "/tokens");
	await page.getByLabel("Uses").fill("3");
	await sent(page, "Create");
	const line = await page.locator("[data-copy]").textContent();
	assert.match(line, /^tunnelmesh join tm1_\S+$/);
	await page.getByRole("button", { name: "Copy" }).click(); // there is no clipboard without TLS
	assert.equal(await page.evaluate(() => getSelection().toString().trim()), line);
	await go(page, "/tokens");
	assert.equal(await page.locator("[data-copy]").count(), 0);
	const token = hub("token", "list").tokens[0];
	assert.equal(token.uses, 3);
	await sent(page, `Revoke ${token.id}`);
	assert.equal(hub("token", "list").tokens[0].revoked, true);
	await is_audited(page, `the token ${token.id} was revoked`);
	await context.close();
	assert.deepEqual(wrong, []);
});

test("a device is added with a code that its camera reads", async () => {
	const { context, page, wrong } = await open(browser);
	const picture = `${mkdtempSync(`${tmpdir()}/tunnelmesh-web-`)}/code.png`;
	await go(page, "/devices");
	await page.getByLabel("Name", { exact: true }).fill("pad");
	await page.getByLabel(/^Endpoint/).fill("198.51.100.1:51820");
	await sent(page, "Add");
	const config = await page.locator("pre.secret").textContent();
	assert.match(config, /^\[Interface\]\nPrivateKey = \S{44}\n/);
	await page.locator("svg.qr").screenshot({ path: picture });
	const read = execFileSync("zbarimg", ["--quiet", "--raw", picture], { encoding: "utf8" });
	rmSync(dirname(picture), { recursive: true });
	assert.equal(read.trim(), config.trim());
	assert.equal(node("pad").kind, "client");
	await go(page, "/devices");
	assert.equal(await page.locator("pre.secret").count(), 0);
	await page.getByRole("link", { name: /^Remove pad/ }).click();
	await page.getByText("it has to be added anew").waitFor();
	await sent(page, "Remove pad");
	assert.equal(node("pad"), undefined);
	await is_audited(page, "the client pad was added");
	await context.close();
	assert.deepEqual(wrong, []);
});

test("a policy is tested, put in force, asked about and taken back", async () => {
	const { context, page, wrong } = await open(browser);
	const before = hub("filter", "history").versions.length;
	await go(page, "/policy/edit");
	await page.getByLabel("The document").fill(POLICY);
	await sent(page, "Test it");
	await page.getByText("It would be accepted").waitFor();
	assert.equal(hub("filter", "history").versions.length, before);
	await sent(page, "Put it in force");
	assert.equal(hub("filter", "history").versions.length, before + 1);
	await go(page, "/policy/edit");
	await page.getByLabel("The document").fill(POLICY + "  - {deny: tcp/23, from: any, to: any, id: no-telnet}\n");
	await sent(page, "Put it in force");
	await page.locator("#r-no-telnet").waitFor();
	await page.getByLabel("From").fill("laptop");
	await page.getByLabel("To", { exact: true }).fill("nas");
	await page.getByLabel("Service").fill("tcp/23");
	await page.getByRole("button", { name: "Explain" }).click();
	await page.getByRole("status").filter({ hasText: /^deny$/ }).waitFor();
	await page.getByRole("link", { name: "no-telnet", exact: true }).click();
	assert.equal(await page.evaluate(() => location.hash), "#r-no-telnet");
	await go(page, "/policy");
	await page.getByLabel(/^Statement/).fill("laptop cannot reach nas tcp/22");
	await page.getByRole("button", { name: "Prove" }).click();
	await page.getByText("it does not hold").waitFor();
	await go(page, "/policy");
	await sent(page, `Back to this: version ${before + 1}`);
	assert.equal(hub("filter", "history").versions.length, before + 3);
	await is_audited(page, `version ${before + 3} of the policy is in force`);
	await context.close();
	assert.deepEqual(wrong, []);
});

test("a form without what proves that this page sent it does nothing", async () => {
	const answer = await fetch(`http://${lab.address}/nodes/${lab.ids.nas}/rename`, {
		method: "POST", body: new URLSearchParams({ name: "taken" }), redirect: "manual" });
	assert.equal(answer.status, 403);
	assert.ok(node("nas"));
});
