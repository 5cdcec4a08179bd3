// The customer's pages in a real browser, as people use them: `pages.mjs SYSTEM GATEWAY PICTURES PACKAGES`,
// which `tests/it/browser.rs` calls. Fails with what did not hold.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [system, gateway, pictures, packages] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1180, height: 860 };
const SOON = 30_000;

mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

/** Somebody with a browser of their own. */
async function visitor(name, { locale = "ko-KR", viewport = DESK, scripts = true } = {}) {
  const context = await browser.newContext({ locale, viewport, javaScriptEnabled: scripts, bypassCSP: scripts });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    // A refusal is an answer like any other.
    if (message.type() === "error" && !message.text().includes("Failed to load resource")) wrong.push(message.text());
  });
  let number = 0;
  /** A picture, and what a person with a screen reader or weak eyes would stumble over. */
  page.seen = async (what) => {
    number += 1;
    await page.screenshot({ path: join(pictures, `${name}-${number}-${what}.png`), fullPage: true });
    assert.deepEqual(wrong, [], `${name}: ${what}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name}: ${what} is ${wide} pixels wider than the window`);
    if (!scripts) return;
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter((it) => ["serious", "critical"].includes(it.impact));
    const said = serious.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
    assert.deepEqual(said, [], `${name}: ${what}`);
  };
  return page;
}

/** Reserves for some adults on the third day, and returns what its page is called. */
async function reserve(page, people, shows = ".shows a") {
  await page.goto(system);
  await page.click(".days a:nth-child(3)");
  await page.seen("films");
  await page.locator(shows).first().click();
  await page.fill('input[name="STANDARD-ADULT"]', String(people));
  await page.fill("input[name=name]", "홍길동");
  await page.fill("input[name=phone]", "010-1234-5678");
  await page.seen("show");
  await page.click("button.wide");
  await page.waitForURL(/bookings\/.+/);
  await page.seen("pay");
}

async function pay(page) {
  await page.click("#live button.wide");
  await page.waitForSelector("#map");
}

async function faults(rules) {
  const answer = await fetch(`${gateway}/faults`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ approveMillis: [300, 400], otherMillis: [20, 60], rules }),
  });
  assert.equal(answer.status, 200);
}

async function ticketing(fault) {
  const answer = await fetch(`${system}/admin/faults/ticket`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fault),
  });
  assert.equal(answer.status, 204);
}

const stories = {
  async "books, prints and cancels in Korean"() {
    const page = await visitor("ko-desk");
    await reserve(page, 2);
    assert.match(await page.textContent(".deadline"), /\d+:\d\d/);
    await pay(page);
    await page.click("#best");
    await page.waitForFunction(() => document.querySelectorAll("#map :checked").length === 2);
    await page.seen("seats");
    await page.click("#map button:not([type])");
    await page.waitForSelector(".tickets");
    assert.equal(await page.locator(".tickets .qr svg").count(), 2);
    await page.seen("tickets");
    await page.click("details summary");
    assert.match(await page.textContent("details"), /환불됩니다/);
    await page.seen("quote");
    await page.click("button.danger");
    await page.waitForFunction(() => document.querySelector(".status").textContent.includes("취소완료"));
    await page.seen("cancelled");
    await page.goto(`${system}/bookings`);
    assert.equal(await page.locator(".bookings li").count(), 1);
    await page.seen("bookings");
  },

  async "books on a phone in English"() {
    const page = await visitor("en-phone", { locale: "en-US", viewport: PHONE });
    await reserve(page, 1);
    await pay(page);
    // By keyboard alone; a lone seat at the side is not left, and it says so.
    await page.locator("#map input").first().focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await page.seen("seats");
    await page.locator("#map button:not([type])").press("Enter");
    await page.waitForSelector("[role=alert]");
    await page.seen("gap");
    await page.locator("#map input").first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    await page.locator("#map button:not([type])").press("Enter");
    await page.waitForSelector(".tickets");
    assert.equal(await page.textContent(".status"), "Ticketed");
    await page.seen("tickets");
    await page.goto(`${system}/bookings/r-of-somebody-else`);
    assert.match(await page.textContent("h1"), /no such page/i);
    await page.seen("nothing");
  },

  async "loses a seat to somebody else"() {
    const [first, second] = [await visitor("winner"), await visitor("loser")];
    const here = ".film:nth-of-type(2) .shows a";
    // Who does not hear of it in time.
    await second.route("**/shows/*/events", (route) => route.abort());
    await reserve(first, 1, here);
    await reserve(second, 1, here);
    for (const page of [first, second]) await pay(page);
    const seat = await first.locator("#map input").nth(7).getAttribute("value");
    for (const page of [first, second]) await page.check(`#map input[value="${seat}"]`);
    await first.click("#map button:not([type])");
    await first.waitForSelector(".tickets");
    await second.click("#map button:not([type])");
    await second.waitForSelector("[role=alert]");
    assert.match(await second.textContent("[role=alert]"), /이미 선택된 좌석/);
    assert.ok(await second.locator(`#map input[value="${seat}"]`).isDisabled(), "it is taken now");
    await second.seen("lost");
    await second.locator("#map input").first().check();
    await second.click("#map button:not([type])");
    await second.waitForSelector(".tickets");
  },

  async "sees how others take seats"() {
    const [watching, taking] = [await visitor("watching"), await visitor("taking")];
    const here = ".film:nth-of-type(3) .shows a";
    await reserve(watching, 1, here);
    await pay(watching);
    await reserve(taking, 1, here);
    await pay(taking);
    const seat = await taking.locator("#map input").nth(9).getAttribute("value");
    await taking.check(`#map input[value="${seat}"]`);
    await taking.click("#map button:not([type])");
    await watching.waitForFunction((id) => document.querySelector(`#map input[value="${id}"]`)?.disabled, seat);
  },

  async "waits calmly while the company is away, and is told of a declined card"() {
    const page = await visitor("deferred");
    await reserve(page, 1);
    await faults([{ fault: "DOWN", for: { millis: 6000 } }]);
    await page.click("#live button.wide");
    await page.waitForSelector(".calm");
    await page.seen("waiting");
    await page.waitForSelector("#map", { timeout: 90_000 });
    await faults([]);

    const other = await visitor("declined");
    await reserve(other, 1);
    await faults([{ fault: "DECLINE", for: { calls: 1 } }]);
    await other.click("#live button.wide");
    await other.waitForFunction(() => document.querySelector("[role=alert], .status")?.textContent.includes("거절"));
    await other.seen("declined");
    await faults([]);
    await pay(other);
  },

  async "sees a cancellation go on, step by step"() {
    const page = await visitor("cancelling", { locale: "en-US", viewport: PHONE });
    await reserve(page, 2);
    await pay(page);
    await page.click("#best");
    await page.locator("#map button:not([type])").click();
    await page.waitForSelector(".tickets");
    await ticketing({ down: true });
    await page.click("summary");
    await page.click(".danger");
    await page.waitForSelector(".steps li");
    assert.deepEqual(await page.locator(".steps li").allTextContents(), ["Tickets revoked", "Seats given back", "Money returned"]);
    assert.equal(await page.locator(".steps .done").count(), 0, "tickets come first");
    await page.seen("steps");
    await ticketing({ down: false });
    await page.waitForSelector("[data-ended=true]");
    assert.equal(await page.textContent(".status"), "Cancelled");
  },

  async "is looked after by staff"() {
    const [customer, staff] = [await visitor("customer"), await visitor("staff")];
    await reserve(customer, 1);
    await pay(customer);
    const code = await customer.textContent(".code code");
    await staff.goto(`${system}/staff`);
    assert.match(await staff.textContent(".concerns, .empty"), /지금은 없습니다/);
    await staff.seen("overview");
    await staff.fill("[name=what]", code.toLowerCase());
    await staff.click(".find button");
    await staff.waitForURL(/staff\/bookings\/.+/);
    assert.match(await staff.getAttribute(".card a", "href"), /namespaces\/default\/workflows\/booking%2F/);
    await staff.seen("booking");
    await staff.click("summary");
    await staff.click(".danger");
    await staff.waitForSelector(".pill.cancelled");
    await customer.waitForSelector("[data-ended=true]");
    assert.match(await customer.textContent(".status"), /취소완료/);

    await staff.goto(`${system}/staff`);
    await staff.check("[name=by][value=name]");
    await staff.fill("[name=what]", "홍길동");
    await staff.click(".find button");
    await staff.waitForSelector(".bookings li:nth-child(2)");
    await staff.seen("found");

    await staff.goto(`${system}/staff`);
    await staff.locator(".days a").last().click();
    await staff.locator(".sales th a").first().click();
    const seat = staff.locator("#block td.free input").first();
    const id = await seat.getAttribute("value");
    await seat.check();
    await staff.click("[name=blocked][value=true]");
    const kept = staff.locator(`#block td.blocked input[value="${id}"]`);
    await kept.waitFor({ state: "attached" });
    await staff.seen("kept");
    await kept.check();
    await staff.click("[name=blocked][value=false]");
    await kept.waitFor({ state: "detached" });
  },

  async "sees what staff puts on, and gets the money back when it is given up"() {
    const [customer, staff] = [await visitor("shown"), await visitor("putting")];
    await staff.goto(`${system}/staff`);
    await staff.click("[href='/staff/films']");
    await staff.fill("#new-film [name=title]", "괴물 이");
    await staff.fill("#new-film [name=minutes]", "119");
    await staff.selectOption("#new-film [name=rating]", "15");
    await staff.seen("film");
    await staff.click("#new-film button");
    const film = staff.locator(".film-entry", { hasText: "괴물" });
    await film.locator("summary").click();
    await film.locator("[name=title]").fill("괴물 2");
    await film.locator("button").first().click();
    await staff.waitForSelector(".film-entry :text('괴물 2')");
    await staff.seen("films");
    await staff.goto(`${system}/staff`);
    await staff.locator(".days a").last().click();
    await staff.locator(".days a").last().click();
    const day = new URL(staff.url()).searchParams.get("date");
    await staff.locator(".sales th a").first().click();
    // Taken: the show itself is there at that time.
    const taken = await staff.textContent(".lead");
    await staff.selectOption("[name=movie]", { label: "괴물 2" });
    await staff.fill("[name=starts]", `${day}T${taken.match(/\d\d:\d\d/)[0]}`);
    await staff.click("#another button");
    await staff.waitForSelector("[role=alert]");
    assert.match(await staff.textContent("[role=alert]"), /다른 상영이 있습니다/);
    await staff.seen("taken");
    await staff.selectOption("[name=movie]", { label: "괴물 2" });
    await staff.fill("[name=starts]", `${day}T05:00`);
    await staff.click("#another button");
    await staff.waitForFunction(() => document.querySelector("h1").textContent.includes("괴물 2"));
    assert.match(await staff.textContent(".lead"), /05:00/);
    await staff.seen("another");

    await customer.goto(`${system}/?date=${day}`);
    await customer.locator(".film", { hasText: "괴물 2" }).locator(".shows a").click();
    await customer.fill('input[name="STANDARD-ADULT"]', "1");
    await customer.fill("input[name=name]", "홍길동");
    await customer.fill("input[name=phone]", "010-1234-5678");
    await customer.click("button.wide");
    await customer.waitForURL(/bookings\/.+/);
    await pay(customer);
    await customer.click("#best");
    await customer.locator("#map button:not([type])").click();
    await customer.waitForSelector(".tickets");

    await faults([{ fault: "DECLINE", operation: "REFUND", for: { calls: 1 } }]);
    await staff.click("#give-up summary");
    await staff.fill("[name=reason]", "영사기 고장");
    await staff.seen("give-up");
    await staff.click("#give-up button");
    await staff.waitForSelector(".notice[role=status]");
    assert.match(await staff.textContent(".notice[role=status]"), /상영을 취소했습니다/);
    await staff.goto(`${system}/staff?date=${day}`);
    assert.equal(await staff.locator(".sales tr", { hasText: "괴물 2" }).locator(".pill").textContent(), "상영 취소");
    // The card takes nothing back: the customer names an account.
    await staff.goto(`${system}/staff`);
    for (let tries = 0; (await staff.locator("[action='/staff/refund-accounts']").count()) === 0; tries += 1) {
      assert.ok(tries < 60, "nothing needs staff");
      await new Promise((resolve) => setTimeout(resolve, 250));
      await staff.reload();
    }
    assert.match(await staff.textContent(".concerns"), /환불이 거절되었습니다/);
    await staff.click(".concerns summary");
    await staff.seen("refused");
    await staff.fill("[name=bank_code]", "088");
    await staff.fill("[name=account_number]", "110-123-456789");
    await staff.fill("[name=holder]", "홍길동");
    await staff.click("[action='/staff/refund-accounts'] button");
    await staff.waitForSelector(".empty");
    await customer.waitForSelector("[data-ended=true]");
    assert.match(await customer.textContent(".status"), /취소완료/);
    await customer.seen("given-up");
    await customer.goto(`${system}/?date=${day}`);
    assert.equal(await customer.locator(".film", { hasText: "괴물 2" }).count(), 0);
    await faults([]);
    // Nothing of it is to come.
    await staff.goto(`${system}/staff/films`);
    await film.locator("summary").click();
    await film.locator(".danger").click();
    await film.waitFor({ state: "detached" });
    await staff.seen("ended");
    await staff.click("#ended button");
    await film.waitFor();
  },

  async "books without any script"() {
    const page = await visitor("plain", { scripts: false });
    await reserve(page, 2);
    await page.click("#live button.wide");
    for (let tries = 0; (await page.locator("#map").count()) === 0; tries += 1) {
      assert.ok(tries < 60, "it is not approved");
      await new Promise((resolve) => setTimeout(resolve, 250));
      await page.reload();
    }
    for (const n of [3, 4]) await page.locator("#map input").nth(n).check();
    await page.seen("seats");
    await page.click("#map button:not([type])");
    for (let tries = 0; (await page.locator(".tickets li").count()) === 0; tries += 1) {
      assert.ok(tries < 60, "there are no tickets");
      await new Promise((resolve) => setTimeout(resolve, 250));
      await page.reload();
    }
    await page.seen("tickets");
  },
};

for (const [name, story] of Object.entries(stories)) {
  await story();
  console.log(`ok: ${name}`);
}
await browser.close();
