// SPDX-License-Identifier: AGPL-3.0-or-later
// What the tests of a viewer have in common: the browser, the laboratory around it, and what no page may do.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

// test_web.py tells: where the dashboard is, the coordinator's command line, ids of the members by their names.
export const lab = JSON.parse(process.env.TM_WEB);

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
export const DESK = { viewport: { width: 1280, height: 800 } };

export function hub(...args) {
	const [program, ...first] = lab.hub;
	return JSON.parse(execFileSync(program, [...first, ...args, "--json"], { encoding: "utf8", timeout: 30000 }));
}

// The same without an answer.
export function hub_does(...args) {
	const [program, ...first] = lab.hub;
	execFileSync(program, [...first, ...args], { timeout: 60000, stdio: "ignore" });
}

export function launch() {
	return chromium.launch({
		executablePath: lab.chromium,
		args: ["--no-sandbox", "--disable-gpu", `--host-resolver-rules=MAP ${new URL(lab.base).hostname} ${lab.address}`],
	});
}

// A page of a fresh viewer, and all that went wrong there: said on the console, or asked of somebody else.
export async function open(browser, options = {}) {
	const context = await browser.newContext({ baseURL: lab.base, ...DESK, ...options });
	const base = options.baseURL ?? lab.base;
	context.setDefaultTimeout(15000);
	const page = await context.newPage(), wrong = [];
	page.on("console", (m) => m.type() === "error" && wrong.push(`${page.url()}: ${m.text()}`));
	page.on("pageerror", (e) => wrong.push(`${page.url()}: ${e.message}`));
	page.on("request", (r) => r.url().startsWith(base + "/") || wrong.push(`${page.url()} asks ${r.url()}`));
	return { context, page, wrong };
}

export async function go(page, path, status = 200) {
	const answer = await page.goto(path);
	assert.equal(answer.status(), status, path);
}

// What people who do not see the screen, or not its colours, would stumble over.
export async function stumbles(page) {
	await page.evaluate(axe);
	const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
	return found.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => `${page.url()}: ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`);
}

export async function shot(page, name) {
	if (lab.shots)
		await page.screenshot({ path: `${lab.shots}/${name}.png` });
}

// Asks again until it is so: for what arrives by itself.
export async function until(what, test, seconds = 20) {
	for (const end = Date.now() + seconds * 1000; !(await test());) {
		assert.ok(Date.now() < end, `${what}: not within ${seconds} s`);
		await new Promise((again) => setTimeout(again, 100));
	}
}

export const node = (name) => hub("node", "list").nodes.find((n) => n.name === name);
