/** The dialogs: one session in detail, the question before something ends, the keyboard's help. */

import { Problem, call } from "./api.js";
import { $, h, put, toast } from "./dom.js";
import { recent, sentence } from "./feed.js";
import { bytes, device, exact, time } from "./format.js";
import { lifetime } from "./row.js";
import { end } from "./table.js";

/** @typedef {import("./api.js").Session} Session */

/** @param {number} n */
const sessions = (n) => `${n} session${n === 1 ? "" : "s"}`;

/** Counts the openings, so that a late answer does not fill another session's sheet. */
let opening = 0;

/**
 * Opens the sheet of a session. The address gets its handle, so that it can be shared.
 * @param {string} handle
 */
export async function openDetail(handle) {
  const mine = ++opening;
  put($("detail-title"), "Session");
  $("detail-body").replaceChildren(h("p.muted", {}, "Reading …"));
  if (!$("detail").open) $("detail").showModal();
  $("detail-title").focus();
  if (location.hash !== `#${handle}`) history.pushState(null, "", `#${handle}`);
  try {
    const session = await call("GET", `sessions/${encodeURIComponent(handle)}`);
    if (mine === opening) fill(session);
  } catch (caught) {
    const problem = /** @type {Problem} */ (caught);
    if (mine !== opening) return;
    const text = problem.status === 404 ? "This session has ended." : problem.message;
    const again = h("button", { type: "button", onclick: () => openDetail(handle) }, "Try again");
    $("detail-body").replaceChildren(h("p", { role: "alert" }, text), problem.status === 404 ? "" : again);
  }
}

/** @param {Session} s */
function fill(s) {
  put($("detail-title"), s.uid ?? "Anonymous session");
  const revoke = h("button.danger", { type: "button", onclick: () => askOne(s) }, "Revoke this session …");
  const all = s.uid === null ? null
    : h("button.danger", { type: "button", onclick: () => askUser(s.uid ?? "") }, `Revoke all of ${s.uid} …`);
  const past = recent.filter((event) => event.handle === s.handle);
  $("detail-body").replaceChildren(
    h("p.handle", {}, h("code", {}, s.handle), copyButton(s.handle)),
    h("dl.facts", {}, ...[
      row("State", s.current ? "live, this one" : "live"),
      row("Roles", s.roles.join(", ") || "none"),
      row("Device", device(s.client)),
      row("Address", s.client.ip ?? "unknown"),
      row("User agent", s.client.user_agent ?? "unknown"),
      row("Began", moment(s.created)),
      row("Last seen", moment(s.last_access)),
      row("Last change", moment(s.last_update)),
      row("Ends in", h("span", {}, ...lifetime(s), h("small.muted", {}, exact(s.expires_at)))),
      row("Size", bytes(s.bytes)),
    ].flat()),
    h("h3", {}, "Data"),
    Object.keys(s.data ?? {}).length ? h("div.tree", { tabIndex: 0, role: "group", "aria-label": "Data" }, tree(s.data))
      : h("p.muted", {}, "This session holds no data."),
    ...(past.length ? [h("h3", {}, "Since this page opened"), h("ol.past", {}, ...past.map((event) =>
      h("li", {}, h("span.what", {}, sentence(event)[1]), time(event.at))))] : []),
    h("div.sheet-actions", {}, revoke, all),
  );
}

/** @param {string} term @param {Node|string} value */
const row = (term, value) => [h("dt", {}, term), h("dd", {}, value)];

/** @param {number} at */
const moment = (at) => h("span", {}, time(at), h("small.muted", {}, exact(at)));

/** @param {string} text */
function copyButton(text) {
  const button = h("button.quiet.small", { type: "button", "aria-label": "Copy the handle" }, "Copy");
  button.hidden = !navigator.clipboard; // browsers offer it on https and on loopback only
  button.onclick = () => navigator.clipboard.writeText(text).then(() => put(button, "Copied"), () => put(button, "No"));
  return button;
}

/**
 * A value as nested lists.
 * @param {unknown} value
 * @returns {HTMLElement}
 */
function tree(value) {
  if (value === null || typeof value !== "object") {
    return h(`span.value.${value === null ? "null" : typeof value}`, {}, JSON.stringify(value));
  }
  const entries = Object.entries(value);
  if (!entries.length) return h("span.value", {}, Array.isArray(value) ? "[]" : "{}");
  return h("ul", {}, ...entries.map(([key, inner]) => h("li", {}, h("span.key", {}, key), ": ", tree(inner))));
}

/**
 * Asks, and does it while the question still stands, so that a failure can be read and tried again.
 * @param {{title: string, text: string, yes: string, typed?: boolean, act: () => Promise<number>}} question
 */
export function ask({ title, text, yes, typed = false, act }) {
  put($("ask-title"), title);
  put($("ask-text"), text);
  put($("ask-yes"), yes);
  $("ask-typed").hidden = !typed;
  $("ask-word").value = "";
  $("ask-problem").hidden = true;
  $("ask-yes").disabled = typed;
  $("ask-word").oninput = () => ($("ask-yes").disabled = $("ask-word").value.trim().toLowerCase() !== "revoke");
  $("ask-form").onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    $("ask-yes").disabled = true;
    try {
      const ended = await act();
      $("ask").close();
      toast(`${sessions(ended)} revoked.`);
    } catch (problem) {
      put($("ask-problem"), /** @type {Problem} */ (problem).message);
      $("ask-problem").hidden = false;
    } finally {
      $("ask-yes").disabled = false;
    }
  };
  $("ask").showModal();
  (typed ? $("ask-word") : $("ask-no")).focus();
}

/** @param {Session} s */
export function askOne(s) {
  const own = "This is the session you are using: you will be signed out.";
  const other = "Its pages are told at once, and its next request is anonymous. This cannot be undone.";
  ask({
    title: s.uid === null ? "Revoke this anonymous session?" : `Revoke this session of ${s.uid}?`,
    text: `${device(s.client)}, ${s.client.ip ?? "unknown address"}, ${s.handle.slice(0, 8)}. ${s.current ? own : other}`,
    yes: "Revoke",
    act: async () => {
      const answer = await call("DELETE", `sessions/${s.handle}`).catch(already);
      end(s.handle, "revoked");
      $("detail").close();
      return answer.ended;
    },
  });
}

/** A session that ended a moment ago is what was wanted. @param {Problem} problem */
function already(problem) {
  if (problem.status === 404) return { ended: 0 };
  throw problem;
}

/** @param {string} uid */
export async function askUser(uid) {
  const query = `sessions?uid=${encodeURIComponent(uid)}`;
  const { count } = await call("GET", `${query}&limit=1`).catch(() => ({}));
  ask({
    title: `Revoke all of ${uid}?`,
    text: `${count === undefined ? "Every session" : sessions(count)} of ${uid} will end, on every device.`,
    yes: count ? `Revoke ${sessions(count)}` : "Revoke all",
    act: async () => {
      const answer = await call("DELETE", query);
      $("detail").close();
      return answer.ended;
    },
  });
}

/** @param {number} count how many there are, one's own included */
export function askOthers(count) {
  const others = Math.max(0, count - 1);
  ask({
    title: "Revoke all but mine?",
    text: `${sessions(others)} will end: everybody except you has to sign in again. This cannot be undone.`,
    yes: `Revoke ${sessions(others)}`,
    typed: true,
    act: async () => (await call("DELETE", "sessions?everybody=true")).ended,
  });
}

$("ask-no").onclick = () => $("ask").close();
$("detail-close").onclick = () => $("detail").close();
$("help-close").onclick = () => $("help").close();
$("detail").addEventListener("close", () => {
  opening += 1;
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
});
for (const dialog of [$("detail"), $("help")]) {
  // A press beside the dialog closes it; the question needs an answer.
  dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === dialog && dialog.close());
}
