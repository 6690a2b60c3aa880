/**
 * The live table. It never guesses what the server would say: an event only makes it ask again (at most once a
 * second), and a row that ended leaves by itself.
 */

import { Problem, call } from "./api.js";
import { $, h, put } from "./dom.js";
import { now, words } from "./format.js";
import { makeRow } from "./row.js";

/** @typedef {import("./api.js").Session} Session */
/** @typedef {import("./row.js").Row} Row */

const PAGE = 50;
const STAYS = 2600; // how long an ended row is still read
const NEW_FOR = 6000;

/** What the rest of the page wants to know: set by app.js. */
export const on = {
  open: (/** @type {Session} */ _session) => {},
  revoke: (/** @type {Session} */ _session) => {},
  loaded: () => {},
  refused: (/** @type {Problem} */ _problem) => {},
};

/** @type {Map<string, Row>} */
const rows = new Map();
/** @type {string|null} */
let next = null;
let pages = 1;
let filter = "";
let loadedOnce = false;
let dirty = false;
let asking = false;
let lastAsked = 0;
let timer = 0;
/** Counts the questions, so that a late answer to an old filter is not shown. */
let round = 0;

/** What the overview needs. */
export const facts = { count: 0, alone: false, users: /** @type {number|null} */ (null), ending: 0 };

/** @param {Session} a @param {Session} b newest first; equal times by handle, as the server pages */
const order = (a, b) => b.created - a.created || (a.handle < b.handle ? 1 : -1);

/** @param {string} [after] */
function address(after) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  const user = /^user:(.+)/.exec(filter);
  if (user) query.set("uid", user[1].trim());
  else if (filter) query.set("q", filter);
  if (after) query.set("after", after);
  return `sessions?${query}`;
}

/** Asks soon for the first page; many events make one question. */
export function refresh() {
  dirty = true;
  if (timer || asking || document.hidden) return;
  timer = setTimeout(load, Math.max(80, lastAsked + 1000 - Date.now()));
}

/** Asks now. */
export async function load() {
  clearTimeout(timer);
  timer = 0;
  dirty = false;
  asking = true;
  lastAsked = Date.now();
  const mine = ++round;
  try {
    const answer = await call("GET", address());
    // The overview counts all sessions, so a filtered list needs a second, tiny question.
    const all = filter ? await call("GET", "sessions?limit=2") : answer;
    if (mine === round) take(answer, all);
  } catch (problem) {
    if (mine === round) fail(/** @type {Problem} */ (problem));
  } finally {
    if (mine === round) asking = false;
  }
  if (dirty) refresh();
}

/** @param {any} answer @param {any} all */
function take(answer, all) {
  const listed = /** @type {Session[]} */ (answer.sessions);
  const seen = new Set(listed.map((session) => session.handle));
  const last = listed[listed.length - 1];
  for (const [handle, row] of rows) {
    if (row.ended || seen.has(handle)) continue;
    // Below the first page rows stay only if somebody asked for more; above its end a missing row is gone.
    if (pages === 1 || !last || order(row.session, last) < 0) drop(row);
  }
  for (const session of listed) show(session, loadedOnce);
  if (pages === 1) next = answer.next;
  loadedOnce = true;
  facts.count = all.count;
  facts.alone = all.count === 1 && all.sessions[0]?.current;
  if (!filter) countLoaded();
  settle();
  on.loaded();
}

/** Counts users and what ends soon over the rows; users only if no further page hides some. */
function countLoaded() {
  const live = [...rows.values()].filter((row) => !row.ended).map((row) => row.session);
  facts.users = next !== null ? null : new Set(live.map((s) => s.uid).filter(Boolean)).size;
  facts.ending = live.filter((s) => s.expires_at !== null && s.expires_at < now() + 3600000).length;
}

/** @param {Session} session @param {boolean} isNews */
function show(session, isNews) {
  const known = rows.get(session.handle);
  if (known) {
    if (!known.ended) known.paint(session);
    return;
  }
  const row = makeRow(session, on);
  rows.set(session.handle, row);
  const below = [...$("rows").children].find((tr) => {
    const other = rows.get(tr.dataset.handle);
    return !other || order(session, other.session) < 0; // an unknown row is a placeholder
  });
  $("rows").insertBefore(row.tr, below ?? null);
  // Only what is young is news: a row that a revoked one made room for is not.
  if (isNews && session.created > now() - 60000) {
    row.tr.classList.add("new");
    setTimeout(() => row.tr.classList.remove("new"), NEW_FOR);
  }
}

/**
 * Marks a row as ended, says why, and lets it leave.
 * @param {string} handle
 * @param {string} reason
 */
export function end(handle, reason) {
  const row = rows.get(handle);
  refresh();
  if (!row || row.ended) return;
  row.ended = true;
  facts.count = Math.max(0, facts.count - 1); // at once; the answer to the refresh corrects it
  if (!filter) countLoaded();
  on.loaded();
  row.tr.classList.remove("new");
  row.tr.classList.add("ended");
  for (const button of row.tr.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  row.tr.querySelector(".act")?.append(h("span.badge.gone", {}, words(reason)));
  setTimeout(() => row.tr.classList.add("leaving"), STAYS - 300);
  setTimeout(() => {
    drop(row);
    settle();
  }, STAYS);
}

/** @param {string} handle */
export const isMine = (handle) => rows.get(handle)?.session.current ?? false;

/** @param {Row} row */
function drop(row) {
  const { tr } = row;
  if (tr.contains(document.activeElement)) {
    const near = tr.nextElementSibling ?? tr.previousElementSibling;
    /** @type {HTMLElement} */ (near?.querySelector(".open") ?? $("search")).focus();
  }
  tr.remove();
  rows.delete(row.session.handle);
}

/** Shows the state that the table is in: rows, none at all, none that match. */
function settle() {
  for (const tr of $("rows").querySelectorAll(".placeholder")) tr.remove();
  $("table").setAttribute("aria-busy", "false");
  $("more").hidden = next === null;
  const shown = rows.size;
  put($("shown"), filter ? `${shown}${next ? "+" : ""} of ${facts.count}` : "");
  const state = $("table-state");
  $("table").hidden = shown === 0;
  if (shown === 0 && filter) {
    const clear = h("button", { type: "button", onclick: () => search("") }, "Show all sessions");
    state.replaceChildren(h("h3", {}, "No session matches"), h("p.muted", {}, `Nothing for “${filter}”.`), clear);
  } else if (facts.alone && !filter) state.replaceChildren(...quickStart());
  else state.replaceChildren();
  state.hidden = !state.childNodes.length;
}

/** What to do when nobody else is signed in yet. */
function quickStart() {
  const origin = location.href.replace(/\/console.*$/, "");
  const lines = "sojourn users add anna\n" +
    `curl ${origin}/_session -c cookies.txt \\\n     -d name=anna --data-urlencode password=…`;
  return [
    h("h3", {}, "Only you are signed in so far"),
    h("p.muted", {}, "Add somebody and sign them in; the session appears above at once:"),
    h("pre", { tabIndex: 0 }, h("code", {}, lines)),
  ];
}

/** @param {Problem} problem */
function fail(problem) {
  if (problem.status === 401 || problem.status === 403) {
    on.refused(problem);
    return;
  }
  for (const tr of $("rows").querySelectorAll(".placeholder")) tr.remove();
  $("table").setAttribute("aria-busy", "false");
  const again = h("button", { type: "button", onclick: load }, "Try again");
  const what = loadedOnce ? "This list may be out of date" : "The sessions could not be read";
  $("table-state").replaceChildren(h("h3", {}, what), h("p.muted", {}, problem.message), again);
  $("table-state").hidden = false;
}

/** Adds the next page below. */
export async function more() {
  if (next === null) return;
  const mine = round;
  $("more").disabled = true;
  try {
    const answer = await call("GET", address(next));
    if (mine !== round && pages === 1) refresh();
    for (const session of answer.sessions) show(session, false);
    next = answer.next;
    pages += 1;
    settle();
  } catch (problem) {
    fail(/** @type {Problem} */ (problem));
  } finally {
    $("more").disabled = false;
  }
}

/**
 * Filters the list; the address keeps the filter, so it can be shared.
 * @param {string} text
 */
export function search(text) {
  filter = text.trim();
  if ($("search").value.trim() !== filter) $("search").value = filter;
  const url = new URL(location.href);
  if (filter) url.searchParams.set("q", filter);
  else url.searchParams.delete("q");
  history.replaceState(null, "", url);
  return start();
}

/** Begins anew with placeholders: after sign-in, or with another filter. */
export function start() {
  rows.clear();
  next = null;
  pages = 1;
  loadedOnce = false;
  const line = () => h("tr.placeholder", { "aria-hidden": "true" }, h("td", { colSpan: 7 }, h("span.bone")));
  $("rows").replaceChildren(...Array.from({ length: 4 }, line));
  $("table").hidden = false;
  $("table").setAttribute("aria-busy", "true");
  $("table-state").hidden = true;
  return load();
}

/** Moves between the rows; gives whether there was one to go to. @param {1|-1} step */
export function move(step) {
  const opens = /** @type {HTMLElement[]} */ ([...$("rows").querySelectorAll("tr:not(.ended) .open")]);
  const here = opens.findIndex((open) => open.closest("tr")?.contains(document.activeElement));
  opens[here < 0 ? 0 : Math.max(0, Math.min(opens.length - 1, here + step))]?.focus();
}

/** The session of the row that has the focus. */
export function focused() {
  const tr = /** @type {HTMLElement|null} */ (document.activeElement?.closest("#rows tr"));
  const row = tr && rows.get(tr.dataset.handle ?? "");
  return row && !row.ended ? row.session : null;
}

document.addEventListener("visibilitychange", () => dirty && refresh());
