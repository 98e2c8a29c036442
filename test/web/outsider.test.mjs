// SPDX-License-Identifier: AGPL-3.0-or-later
// A browser that no address proves anything of: outside of the mesh, on the coordinator's own machine.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, hub, hub_does, lab, launch, open, shot, stumbles } from "./shared.mjs";

const HTTP = "http://localhost:8080", HTTPS = `https://${lab.outside}`;

let browser, password;
before(async () => {
	browser = await launch();
	password = hub("dashboard", "password").password;
});
after(() => browser?.close());

async function say(page, word) {
	await page.getByLabel("Password").fill(word);
	const shown = page.waitForNavigation();
	await page.getByRole("button", { name: "Log in" }).click();
	await shown;
}

async function log_in(page) {
	await page.goto("/");
	assert.match(page.url(), /\/login$/);
	await say(page, password);
	assert.match(page.url(), /\/$/);
	assert.equal(await page.locator(".role").textContent(), "administrator");
}

test("a stranger is shown where to say the password, and nothing else", async () => {
	const { context, page, wrong } = await open(browser, { baseURL: HTTP });
	for (const path of ["/", "/nodes", "/policy", "/tokens", "/live"]) {
		await page.goto(path);
		assert.equal(page.url(), HTTP + "/login", path);
	}
	assert.equal(await page.locator("nav a").count(), 0);
	assert.ok(await page.getByLabel("Password").evaluate((e) => e === document.activeElement));
	wrong.push(...await stumbles(page));
	await shot(page, "login");
	assert.deepEqual(wrong, []);
	await say(page, "x".repeat(24));
	await page.getByText("That is not the password.").waitFor();
	assert.deepEqual(await context.cookies(), []);
	await context.close();
});

test("who has the password administers, until he logs out", async () => {
	const { context, page, wrong } = await open(browser, { baseURL: HTTP });
	await log_in(page);
	await go(page, "/tokens");
	await page.getByRole("button", { name: "Create" }).waitFor();
	wrong.push(...await stumbles(page));
	assert.deepEqual(wrong, []);
	assert.equal(await page.evaluate(() => document.cookie), "");
	const shown = page.waitForNavigation();
	await page.getByRole("button", { name: "Log out" }).click();
	await shown;
	await page.goto("/tokens");
	assert.match(page.url(), /\/login$/);
	await context.close();
});

test("by https the cookie is for https alone, and http leads there", async () => {
	const { context, page } = await open(browser, { baseURL: HTTPS, ignoreHTTPSErrors: true });
	await page.goto(`http://${lab.outside}/nodes`);
	assert.equal(page.url(), HTTPS + "/login");
	await say(page, password);
	await go(page, "/policy/edit");
	const cookies = await context.cookies(HTTPS + "/login");
	assert.deepEqual(cookies.map((c) => c.name).sort(), ["__Host-tunnelmesh", "tunnelmesh-browser"]);
	for (const c of cookies)
		assert.ok(c.secure && c.httpOnly && c.sameSite === "Strict", c.name);
	await context.close();
});

test("another password ends what one looks at", async () => {
	const { context, page } = await open(browser, { baseURL: HTTP });
	await log_in(page);
	await go(page, "/nodes");
	await page.locator("#live:not(.lost)").waitFor();
	password = hub("dashboard", "password").password;
	hub_does("node", "tag", "nas", "--add", "afterwards"); // something to look at
	await page.waitForURL("**/login");
	hub_does("node", "tag", "nas", "--remove", "afterwards");
	await say(page, password);
	assert.equal(await page.locator(".role").textContent(), "administrator");
	await context.close();
});
