/** The server's JSON API and its event stream. Addresses are relative, so a path prefix in front does no harm. */

import { setClock } from "./format.js";

/**
 * @typedef {object} Session
 * @property {string} handle
 * @property {string|null} uid
 * @property {string[]} roles
 * @property {number} created
 * @property {number} last_access
 * @property {number} last_update
 * @property {number|null} expires_at
 * @property {{ip: string|null, user_agent: string|null, label: string|null}} client
 * @property {string[]} keys
 * @property {number} bytes
 * @property {boolean} current
 * @property {Record<string, unknown>} [data]
 */

/** A request that was answered with an error, or (status 0) not at all. */
export class Problem extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/**
 * Asks the server and gives its JSON.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
export async function call(method, path, body) {
  /** @type {RequestInit} */
  const options = { method, headers: { accept: "application/json" }, signal: AbortSignal.timeout(15000) };
  if (body) {
    options.body = JSON.stringify(body);
    options.headers = { accept: "application/json", "content-type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, "The server did not answer. Check that it runs and that you are online.");
  }
  setClock(response.headers.get("date"));
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  // RFC 9457 says `detail`; CouchDB's routes say `reason`.
  throw new Problem(response.status, answer.detail || answer.reason || `The server answered ${response.status}.`);
}

/** Every kind of event; EventSource has no way to ask for all. */
const KINDS = [
  "session_created", "session_rotated", "session_changed", "session_ended", "user_logged_in", "login_failed",
  "token_reused", "logout_requested", "gap_noticed",
];
const LONGEST_WAIT = 30000;

/**
 * The live stream of events, opened again after each failure with growing pauses. Each event is told once: the
 * server may repeat one after a crash, with the same id.
 */
export class Stream {
  /**
   * @param {string} path
   * @param {(event: any) => void} onEvent
   * @param {(state: "connecting"|"live"|"waiting", wait: number) => void} onState wait: milliseconds to the next try
   */
  constructor(path, onEvent, onState) {
    this.path = path;
    this.onEvent = onEvent;
    this.onState = onState;
    this.failures = 0;
    this.timer = 0;
    /** @type {EventSource|null} */
    this.source = null;
    /** @type {Set<string>} */
    this.told = new Set();
    addEventListener("online", this.retry);
    this.open();
  }

  open() {
    this.onState("connecting", 0);
    const source = new EventSource(this.path);
    this.source = source;
    source.addEventListener("hello", () => {
      this.failures = 0;
      this.onState("live", 0);
    });
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.hear(JSON.parse(message.data)));
    source.onerror = () => this.fail();
  }

  /** @param {any} event */
  hear(event) {
    if (event.id && event.event !== "gap_noticed") { // each gap is its own, whatever its id
      if (this.told.has(event.id)) return;
      this.told.add(event.id);
      if (this.told.size > 5000) this.told.delete(this.told.values().next().value ?? "");
    }
    this.onEvent(event);
  }

  fail() {
    this.source?.close();
    // A quarter more or less, so that many consoles do not come back at the same moment.
    const wait = Math.min(LONGEST_WAIT, 1000 * 2 ** this.failures++) * (0.75 + Math.random() / 2);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), wait);
    this.onState("waiting", wait);
  }

  /** Tries at once, if it is waiting. */
  retry = () => {
    if (this.source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.timer);
    this.open();
  };

  close() {
    removeEventListener("online", this.retry);
    clearTimeout(this.timer);
    this.source?.close();
  }
}
