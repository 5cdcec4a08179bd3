// Pages work without this. With it prices add up, the countdown runs, seats that others take go grey,
// and an open page shows what has changed.

// Where nothing was heard; the list of bookings has no stream of its own.
const LOOK_MS = 4000;
const FOLLOW_AGAIN_MS = 2000;
const SEATS_MS = 2000;

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
  const look = async () => {
    if (!form.isConnected) return;
    const answer = await fetch(form.dataset.taken ?? "").catch(() => null);
    const taken = answer?.ok ? new Set((await answer.json()).taken) : new Set();
    for (const box of boxes()) {
      if (!taken.has(box.value)) continue;
      const cell = /** @type {HTMLElement} */ (box.closest("td"));
      cell.className = "taken";
      cell.replaceChildren(document.createElement("span"));
    }
    order = order.filter((it) => it.isConnected);
    update();
    setTimeout(look, SEATS_MS);
  };
  setTimeout(look, SEATS_MS);
  update();
}

/** Shows the page again when it has changed. */
function live() {
  if (!one("#live")) return;
  const offline = /** @type {HTMLElement} */ (one("#offline"));
  const look = async () => {
    const now = /** @type {HTMLElement} */ (one("#live"));
    try {
      const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
      offline.hidden = answer.ok;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#live");
      if (next && next.getAttribute("data-version") !== now.dataset.version) {
        now.replaceWith(next);
        countdown();
        seats();
      }
    } catch {
      offline.hidden = false;
    }
  };
  if (/^\/bookings\/./.test(location.pathname)) follow(look);
  const again = async () => {
    await look();
    setTimeout(again, LOOK_MS);
  };
  setTimeout(again, LOOK_MS);
}

/**
 * Looks as soon as the server says anything about this booking, until nothing can follow.
 * @param {() => Promise<void>} look
 */
async function follow(look) {
  for (;;) {
    try {
      const answer = await fetch(`${location.pathname}/events`);
      if (!answer.ok || !answer.body) return;
      const words = answer.body.getReader();
      while (!(await words.read()).done) await look();
      if (one("#live")?.dataset.rests === "true") return;
    } catch {
      // Comes again.
    }
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_AGAIN_MS));
  }
}

party();
countdown();
seats();
live();
