// SPDX-License-Identifier: AGPL-3.0-or-later
// The browser of a member that administers nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, hub, lab, launch, node, open, shot, stumbles, until } from "./shared.mjs";

const PAGES = ["/", "/nodes", `/nodes/${lab.ids.nas}`, "/map", "/routes", "/names", "/events", "/devices"];
const KEPT_FROM = ["/policy", "/policy/edit", "/tokens", `/nodes/${lab.ids.nas}/remove`];

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

test("a member sees the mesh, and nothing to change it with", async () => {
	const { context, page, wrong } = await open(browser);
	for (const path of PAGES) {
		await go(page, path);
		assert.equal(await page.locator("form[method=post]").count(), 0, path);
		assert.equal(await page.locator(".role").textContent(), "member");
		wrong.push(...await stumbles(page));
	}
	for (const path of KEPT_FROM)
		assert.equal(await page.locator(`nav a[href="${path}"]`).count(), 0, path);
	await go(page, "/nodes");
	await shot(page, "member-light");
	await context.close();
	assert.deepEqual(wrong, []);
});

test("of pairs a member sees those that it is one of", async () => {
	const { context, page } = await open(browser);
	await until("what its node tells within a minute", async () => {
		await go(page, "/map");
		return await page.locator("tbody").filter({ hasText: "relayed" }).count() === 1;
	}, 90);
	for (const row of await page.locator("tbody tr").all())
		assert.match(await row.textContent(), /laptop/);
	await go(page, `/nodes/${lab.ids.nas}`);
	assert.equal(await page.getByText("What it tells of itself").count(), 0);
	assert.equal(await page.locator("tbody tr").count(), 1);
	await go(page, `/nodes/${lab.ids.laptop}`);
	assert.equal(await page.getByText("What it tells of itself").count(), 1);
	await context.close();
});

test("where links come from is not for members", async () => {
	const { context, page } = await open(browser);
	for (const path of ["/nodes", `/nodes/${lab.ids.nas}`]) {
		await go(page, path);
		assert.ok(!(await page.content()).includes(lab.underlay), path);
	}
	await context.close();
});

test("what is for administrators is refused", async () => {
	for (const path of KEPT_FROM)
		assert.equal((await fetch(`http://${lab.address}${path}`)).status, 403, path);
});

test("each action is refused to a member", async () => {
	const before = JSON.stringify([node("nas"), hub("token", "list"), hub("route", "list"), hub("filter", "history")]
		.map((o) => ({ ...o, last_seen_at: 0 })));
	for (const [path, fields] of Object.entries({
		[`/nodes/${lab.ids.nas}/rename`]: { name: "mine" },
		[`/nodes/${lab.ids.nas}/tag`]: { add: "admin" },
		[`/nodes/${lab.ids.laptop}/tag`]: { add: "admin" },
		[`/nodes/${lab.ids.nas}/alias`]: { add: "mine" },
		[`/nodes/${lab.ids.nas}/remove`]: {},
		"/routes/approve": { node: lab.ids.nas, net: "192.168.77.0/24" },
		"/routes/reject": { node: lab.ids.nas, net: "192.168.77.0/24" },
		"/devices/add": { name: "mine" },
		"/tokens/create": { uses: "1" },
		"/tokens/revoke": { id: "0011223344556677" },
		"/policy/test": { text: "rules: []" },
		"/policy/set": { text: "rules: []" },
		"/policy/rollback": { version: "1" },
	})) {
		const answer = await fetch(`http://${lab.address}${path}`, {
			method: "POST", body: new URLSearchParams(fields), redirect: "manual" });
		assert.equal(answer.status, 403, path);
	}
	const now = JSON.stringify([node("nas"), hub("token", "list"), hub("route", "list"), hub("filter", "history")]
		.map((o) => ({ ...o, last_seen_at: 0 })));
	assert.equal(now, before);
});

test("under another name the coordinator does not answer", async () => {
	const { context, page } = await open(browser);
	const answer = await page.request.get(`http://${lab.address}/`, { headers: { host: "evil.example" } });
	assert.equal(answer.status(), 421);
	await context.close();
});
