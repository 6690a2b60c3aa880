/** One session as a row of the table. */

import { h, put } from "./dom.js";
import { bytes, device, left, now, time } from "./format.js";

/** @typedef {import("./api.js").Session} Session */
/** @typedef {{session: Session, tr: HTMLElement, ended: boolean, paint: (session: Session) => void}} Row */

/**
 * Makes a row. What it shows is changed in place, so that focus and selection stay.
 * @param {Session} session
 * @param {{open: (session: Session) => void, revoke: (session: Session) => void}} on
 * @returns {Row}
 */
export function makeRow(session, on) {
  const name = h("span.name");
  const mark = h("span.badge");
  const open = h("button.open", { type: "button" }, h("span.who", {}, name, mark), h("code", {}, session.handle.slice(0, 8)));
  const where = h("span");
  const ip = h("span.muted.ip");
  const began = h("td.wider", {}, time(session.created));
  const seen = h("td");
  const ends = h("td.wide");
  const size = h("td.wider.number");
  const revoke = h("button.revoke.small", { type: "button", "aria-haspopup": "dialog" }, "Revoke");
  const tr = h("tr", {}, h("th", { scope: "row" }, open), h("td.wide", {}, where, ip), began, seen, ends, size,
    h("td.act", {}, revoke));
  tr.dataset.handle = session.handle;
  /** @type {Row} */
  const row = { session, tr, ended: false, paint };
  open.onclick = () => on.open(row.session);
  revoke.onclick = () => on.revoke(row.session);

  /** @param {Session} s */
  function paint(s) {
    row.session = s;
    put(name, s.uid ?? "anonymous");
    name.classList.toggle("nobody", s.uid === null);
    put(mark, s.current ? "this one" : s.roles.includes("_admin") ? "admin" : "");
    mark.classList.toggle("own", s.current);
    open.title = s.handle;
    revoke.setAttribute("aria-label", `Revoke session ${s.handle.slice(0, 8)} of ${s.uid ?? "nobody"}`);
    put(where, device(s.client));
    where.title = s.client.user_agent ?? "";
    put(ip, s.client.ip ?? "");
    if (seen.dataset.at !== String(s.last_access)) seen.replaceChildren(time(s.last_access));
    seen.dataset.at = String(s.last_access);
    if (ends.dataset.at !== String(s.expires_at)) ends.replaceChildren(...lifetime(s));
    ends.dataset.at = String(s.expires_at);
    put(size, bytes(s.bytes));
  }
  paint(session);
  return row;
}

/**
 * The rest of a session's life, and its share as a bar.
 * @param {Session} s
 * @returns {HTMLElement[]}
 */
export function lifetime(s) {
  if (s.expires_at === null) return [h("span.muted", {}, "no limit")];
  const bar = h("span.life", { "aria-hidden": "true" }, h("span"));
  const whole = Math.max(1, s.expires_at - s.created);
  bar.style.setProperty("--left", `${Math.max(0, Math.min(100, (100 * (s.expires_at - now())) / whole))}%`);
  return [time(s.expires_at, left), bar];
}
