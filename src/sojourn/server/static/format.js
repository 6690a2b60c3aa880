/** How times, sizes and devices read. Times are milliseconds of the server's clock. */

import { h, put } from "./dom.js";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** How far the server's clock is ahead of this browser's. */
let ahead = 0;

/**
 * Learns the server's clock from a Date header. It has whole seconds and the answer took a while, so only a
 * difference of more than three seconds counts as one.
 * @param {string|null} header
 */
export function setClock(header) {
  const gap = header ? Date.parse(header) - Date.now() : 0;
  ahead = Math.abs(gap) > 3000 ? gap : 0;
}

export const now = () => Date.now() + ahead;

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86400000], ["hour", 3600000], ["minute", 60000], ["second", 1000]];

/**
 * "12s ago", "in 3d" and "just now".
 * @param {number} at
 * @returns {string}
 */
export function near(at) {
  const away = at - now();
  for (const [unit, ms] of UNITS) {
    // Two of a unit at least below a day: "90 min" says more than "1 h".
    if (Math.abs(away) < (unit === "hour" ? 2 * ms : ms)) continue;
    // What is past is counted in whole units; what is left is rounded, else 14 days would read 13 at once.
    return relative.format(away < 0 ? Math.ceil(away / ms) : Math.round(away / ms), unit);
  }
  return "just now";
}

/**
 * How long until then, without "in"; what is over reads "due".
 * @param {number|null} at
 */
export function left(at) {
  if (at === null) return "no limit";
  return at <= now() ? "due" : near(at).replace(/^in /, "");
}

/**
 * The moment itself, in this browser's zone and in UTC.
 * @param {number|null} at
 */
export function exact(at) {
  if (at === null) return "never";
  return `${full.format(at)} · ${new Date(at).toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

/** @param {number} at @param {(at: number) => string} [how] */
export function time(at, how = near) {
  const node = h("time", { dateTime: new Date(at).toISOString(), title: exact(at) }, how(at));
  node.dataset.at = String(at);
  node.dataset.how = how === left ? "left" : "near";
  return node;
}

/** Lets every shown time grow older. */
export function tick() {
  for (const node of document.querySelectorAll("time[data-at]")) {
    const { at, how } = /** @type {HTMLElement} */ (node).dataset;
    put(node, (how === "left" ? left : near)(Number(at)));
  }
}

/** A reason as plain words. @param {string} reason */
export const words = (reason) => reason.replace(/_/g, " ");

/** @param {number} n */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  return n < 1e6 ? `${(n / 1000).toFixed(n < 1e4 ? 1 : 0)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

/** @type {[RegExp, string][]} */
const BROWSERS = [
  [/\bEdgA?\//, "Edge"], [/\bOPR\//, "Opera"], [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bHeadlessChrome\//, "Headless Chrome"], [/\bChrome\/|\bCriOS\//, "Chrome"], [/\bSafari\//, "Safari"],
];
/** @type {[RegExp, string][]} */
const SYSTEMS = [
  [/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"],
];

/**
 * A device's name as a person would say it: "Firefox on Linux", "curl 8.5".
 * @param {{user_agent?: string|null, label?: string|null}} client
 */
export function device(client) {
  if (client.label) return client.label;
  const agent = client.user_agent || "";
  const browser = BROWSERS.find(([seen]) => seen.test(agent));
  const system = SYSTEMS.find(([seen]) => seen.test(agent));
  if (browser) return system ? `${browser[1]} on ${system[1]}` : browser[1];
  const program = /^([\w.-]+)\/(\d+(?:\.\d+)?)/.exec(agent);
  if (program) return `${program[1]} ${program[2]}`;
  return agent.slice(0, 40) || "unknown";
}
