/** What happens, as a list for people, and the numbers above it that are counted from it. */

import { $, h, put, spark } from "./dom.js";
import { exact, time, words } from "./format.js";

const KEPT = 200;
const MINUTES = 20;
const KINDS = { in: "user_logged_in", out: "session_ended", no: "login_failed" };
const NAMES = { in: "Sign-ins", out: "Ended sessions", no: "Refused sign-ins" };

/** @type {any[]} */
let waiting = [];
let paused = false;
let opened = Date.now();
/** The last events of each session, for its detail. @type {any[]} */
export const recent = [];
/** @type {Record<string, number[]>} counts by minute since the page opened */
const counts = { in: [], out: [], no: [] };
/** @type {Record<string, number>} what a screen reader has not been told yet */
let untold = {};

/** @param {any} e */
const whose = (e) => e.uid ?? "nobody";

/** What an event means: its kind, for the filter and the mark, and a sentence. @type {Record<string, (e: any) => [string, string]>} */
const SENTENCES = {
  session_created: (e) => ["", e.uid ? `Session of ${e.uid} began` : "An anonymous session began"],
  user_logged_in: (e) => ["in", `${whose(e)} signed in`],
  session_ended: (e) => ["out", `${e.uid ? `Session of ${e.uid}` : "An anonymous session"} ended: ${words(e.reason)}${by(e)}`],
  session_rotated: (e) => ["", `Session of ${whose(e)} got a new token`],
  session_changed: (e) => ["", `Session of ${whose(e)} changed: ${(e.keys ?? []).join(", ")}`],
  login_failed: (e) => ["warn", e.locked ? `${e.name} is locked for a while after refused sign-ins` : `Sign-in as ${e.name} refused`],
  token_reused: (e) => ["warn", `An old token of ${whose(e)} came back`],
  logout_requested: (e) => ["", `Pages of ${whose(e)} were asked to sign out`],
  gap_noticed: () => ["warn", "Some events may be missing before this one"],
};

/** @param {any} e */
const by = (e) => (e.actor && e.actor !== e.uid ? ` by ${e.actor}` : "");

/** @param {any} e @returns {[string, string]} */
export const sentence = (e) => (SENTENCES[e.event] ?? (() => ["", words(e.event)]))(e);

/** @param {any} event */
export function hear(event) {
  recent.unshift(event);
  recent.length = Math.min(recent.length, 1000);
  count(event);
  if (paused) {
    waiting.push(event);
    waiting.splice(0, waiting.length - KEPT);
    put($("feed-pause"), `Resume (${waiting.length} new)`);
  } else add(event);
}

/** @param {any} event */
function add(event) {
  const [kind, text] = sentence(event);
  const item = h("li", {}, h("span.what", {}, text), time(event.at));
  item.dataset.kind = kind;
  if (event.handle) item.append(h("code", { title: event.handle }, event.handle.slice(0, 8)));
  if (event.name && event.address) item.append(h("span.muted", {}, event.address));
  $("feed").prepend(item);
  while ($("feed").children.length > KEPT) $("feed").lastChild.remove();
  $("feed-empty").hidden = true;
}

/** @param {any} event */
function count(event) {
  for (const [key, kind] of Object.entries(KINDS)) {
    if (event.event !== kind) continue;
    const minute = Math.floor((Date.now() - opened) / 60000);
    counts[key][minute] = (counts[key][minute] ?? 0) + 1;
    const name = NAMES[/** @type {"in"} */ (key)];
    untold[name] = (untold[name] ?? 0) + 1;
  }
  draw();
}

/** Draws the numbers: those of the whole visit, and bars for its last minutes. */
export function draw() {
  const minute = Math.floor((Date.now() - opened) / 60000);
  for (const key of /** @type {("in"|"out"|"no")[]} */ (Object.keys(KINDS))) {
    const list = counts[key];
    put($(`n-${key}`), String(list.reduce((sum, n) => sum + (n ?? 0), 0)));
    const bars = Array.from({ length: MINUTES }, (_, i) => list[minute - MINUTES + 1 + i] ?? 0);
    spark($(`s-${key}`), bars, `${NAMES[key]} by minute, last ${MINUTES} minutes: ${bars.join(" ")}`);
  }
}

/** Tells screen readers, a few seconds apart, what came in; told one by one a busy server would never let them speak. */
function tell() {
  const parts = Object.entries(untold).map(([name, n]) => `${name}: ${n}`);
  if (parts.length) put($("heard"), `New. ${parts.join(", ")}.`);
  untold = {};
}

/** Empties the list: another person signed in. */
export function clear() {
  opened = Date.now();
  for (const list of Object.values(counts)) list.length = 0;
  recent.length = 0;
  waiting = [];
  $("feed").replaceChildren();
  $("feed-empty").hidden = false;
  for (const node of document.querySelectorAll(".since")) {
    put(node, `since ${new Date(opened).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`);
    /** @type {HTMLElement} */ (node).title = `Counted since this page opened: ${exact(opened)}`;
  }
  draw();
}

$("feed-kind").onchange = () => ($("feed").dataset.show = $("feed-kind").value);
$("feed-pause").onclick = () => {
  paused = !paused;
  $("feed-pause").setAttribute("aria-pressed", String(paused));
  put($("feed-pause"), paused ? "Resume" : "Pause");
  if (!paused) waiting.splice(0).forEach(add);
};
setInterval(tell, 5000);
setInterval(draw, 20000);
