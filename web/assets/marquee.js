// Pages work without this. With it prices add up, the countdown runs, seats that others take go grey,
// and an open page shows what has changed.

const FOLLOW_AGAIN_MS = 2000;
const FOLLOW_AGAIN_MS_MAX = 60000;
// Told to the document when a part of the page was put in another's place.
const REPLACED = "marquee:replaced";

/** @param {string} selector @returns {HTMLElement | null} */
const one = (selector) => document.querySelector(selector);

/** The party form: only the people of the chosen grade, and what it comes to. */
function party() {
  const form = /** @type {HTMLFormElement | null} */ (one("#party"));
  if (!form) return;
  const total = /** @type {HTMLOutputElement} */ (one("#total"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  const update = () => {
    const grade = new FormData(form).get("grade");
    let won = 0;
    let people = 0;
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll(".people"))) {
      part.hidden = part.dataset.grade !== grade;
      if (part.hidden) continue;
      for (const input of part.querySelectorAll("input")) {
        won += Number(input.value) * Number(input.dataset.price);
        people += Number(input.value);
      }
    }
    const korean = document.documentElement.lang === "ko";
    const text = won.toLocaleString("en");
    total.textContent = korean ? `${text}원` : `₩${text}`;
    /** @type {HTMLElement} */ (total.parentElement).hidden = people === 0;
    button.disabled = people === 0 || people > Number(form.dataset.max);
  };
  form.addEventListener("input", update);
  update();
}

/** Time left, by the server's clock. */
function countdown() {
  const shown = one("[data-deadline]");
  if (!shown) return;
  const skew = Date.parse(shown.dataset.now ?? "") - Date.now();
  const tick = () => {
    if (!shown.isConnected) return;
    const left = Math.max(0, Date.parse(shown.dataset.deadline ?? "") - Date.now() - skew);
    const seconds = Math.ceil(left / 1000);
    shown.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}

/** The seat map: as many as come, arrow keys, and what others take meanwhile. */
function seats() {
  const form = /** @type {HTMLFormElement | null} */ (one("#map"));
  if (!form) return;
  const size = Number(form.dataset.size);
  const boxes = () => /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input[name=seat]")]);
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button:not([type])"));
  const chosen = /** @type {HTMLOutputElement} */ (one("#chosen"));
  /** @type {HTMLInputElement[]} */
  let order = [];
  const update = () => {
    const count = boxes().filter((box) => box.checked).length;
    chosen.textContent = `${count}/${size}`;
    button.disabled = count !== size;
  };
  form.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box.checked) order.push(box);
    order = order.filter((it) => it.checked && it.isConnected);
    // One too many: the first one gives way.
    while (order.length > size) /** @type {HTMLInputElement} */ (order.shift()).checked = false;
    update();
  });
  form.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const cell = /** @type {HTMLElement} */ (event.target).closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    let row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
    let at = cell.cellIndex;
    for (;;) {
      at += step[0];
      if (step[1]) row = /** @type {HTMLTableRowElement} */ (step[1] < 0 ? row.previousElementSibling : row.nextElementSibling);
      const next = row?.cells[at];
      if (!next || at < 1) return;
      const box = next.querySelector("input");
      if (box) return box.focus();
    }
  });
  const best = /** @type {HTMLButtonElement} */ (one("#best"));
  best.hidden = false;
  best.addEventListener("click", async () => {
    const answer = await fetch(form.dataset.best ?? "");
    const ids = answer.ok ? (await answer.json()).seatIds ?? [] : [];
    for (const box of boxes()) box.checked = ids.includes(box.value);
    order = boxes().filter((box) => box.checked);
    order[0]?.focus();
    update();
  });
  const become = (/** @type {HTMLInputElement} */ box, /** @type {boolean} */ free) => {
    const cell = /** @type {HTMLElement} */ (box.closest("td"));
    if (box.disabled !== free) return;
    box.disabled = !free;
    if (!free) box.checked = false;
    cell.classList.toggle("free", free);
    cell.classList.toggle("taken", !free);
    box.setAttribute("aria-label", `${box.dataset.name} · ${free ? form.dataset.free : form.dataset.taken}`);
  };
  follow(form.dataset.events ?? "", () => !form.isConnected, (event, data) => {
    /** @type {{seats: {id: string, state: string}[]}} */
    const { seats } = JSON.parse(data);
    const told = new Map(seats.map((seat) => [seat.id, seat.state]));
    for (const box of boxes()) {
      const state = told.get(box.value) ?? (event === "snapshot" ? "AVAILABLE" : null);
      if (state) become(box, state === "AVAILABLE");
    }
    order = order.filter((box) => box.checked);
    update();
  });
  update();
}

/** Shows the page again when it has changed. */
function live() {
  // Not the address: after a refused click that is the click's.
  const path = one("#live")?.dataset.page;
  if (!path) return;
  const offline = /** @type {HTMLElement} */ (one("#offline"));
  const look = async () => {
    const now = /** @type {HTMLElement} */ (one("#live"));
    try {
      const answer = await fetch(path, { headers: { accept: "text/html" } });
      offline.hidden = answer.ok;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#live");
      if (next && next.getAttribute("data-version") !== now.dataset.version) {
        now.replaceWith(next);
        document.dispatchEvent(new Event(REPLACED));
        countdown();
        seats();
      }
    } catch {
      offline.hidden = false;
    }
  };
  const ended = () => one("#live")?.dataset.ended === "true";
  follow(`${path}/events`, ended, look, look);
}

/**
 * Hears what the server says under a path, until there is nothing more to hear. A page that nobody
 * looks at lets go: a browser has few connections to a server.
 * @param {string} path
 * @param {() => boolean} over
 * @param {(event: string, data: string) => unknown} hear
 * @param {() => unknown} [missed] called whenever something may have been said unheard
 */
async function follow(path, over, hear, missed = () => {}) {
  let pause = FOLLOW_AGAIN_MS;
  while (!over()) {
    if (document.hidden) await once(document, "visibilitychange");
    const stop = new AbortController();
    const leave = () => (document.hidden || over()) && stop.abort();
    for (const name of ["visibilitychange", REPLACED]) document.addEventListener(name, leave);
    try {
      const answer = await fetch(path, { signal: stop.signal });
      // Nobody for whom it is: that does not change by asking again.
      if ([401, 403, 404].includes(answer.status)) return;
      pause = answer.ok ? FOLLOW_AGAIN_MS : Math.min(2 * pause, FOLLOW_AGAIN_MS_MAX);
      for await (const [event, data] of eventsOf(answer)) {
        await hear(event, data);
        if (over()) return stop.abort();
      }
    } catch {
      pause = Math.min(2 * pause, FOLLOW_AGAIN_MS_MAX);
    } finally {
      for (const name of ["visibilitychange", REPLACED]) document.removeEventListener(name, leave);
    }
    if (over()) return;
    await new Promise((resolve) => setTimeout(resolve, pause));
    await missed();
  }
}

/**
 * The events of a stream, each with its data.
 * @param {Response} answer
 * @returns {AsyncGenerator<[string, string]>}
 */
async function* eventsOf(answer) {
  if (!answer.ok || !answer.body) return;
  const words = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await words.read();
    if (done) return;
    text += value;
    const whole = text.split("\n\n");
    text = whole.pop() ?? "";
    for (const frame of whole) {
      const event = /^event: (.*)$/m.exec(frame);
      const data = /^data: (.*)$/m.exec(frame);
      if (event && data) yield [event[1], data[1]];
    }
  }
}

/** @param {EventTarget} target @param {string} name */
function once(target, name) {
  return new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));
}

party();
countdown();
seats();
live();
