"use strict";
// Keeps a page from being old: follows the server, says at once when it is cut off, fetches the page anew when something
// has happened, and lets ages tick by the server's clock.
(() => {
  const CUT_AFTER_MS = 4500, FETCH_WITHIN_MS = 4000, AT_MOST_EVERY_MS = 500, ANEW_EVERY_MS = 15000;
  const body = document.body, own = document.body.dataset.here || location.href, banner = document.getElementById("cut"), url = body.dataset.live;
  let ahead = Number(body.dataset.now) - Date.now();
  let heard = performance.now(), shown = performance.now(), lost = null, watch = body.dataset.watch;
  let source = null, fetching = false, wanted = false, last = 0, stale = false;

  const two = (n) => String(n).padStart(2, "0");
  const span = (ms) => {
    const seconds = Math.floor(Math.abs(ms) / 1000), sign = ms <= -1000 ? "−" : "";
    if (seconds >= 86400) return `${sign}${Math.floor(seconds / 86400)} d ${two(Math.floor((seconds % 86400) / 3600))} h`;
    if (seconds >= 3600) return `${sign}${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
    if (seconds >= 60) return `${sign}${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    return `${sign}${seconds} s`;
  };
  const tick = () => {
    const now = Date.now() + ahead;
    for (const each of document.querySelectorAll(".age[data-since]")) {
      const text = span(now - Number(each.dataset.since));
      if (each.textContent !== text) each.textContent = text;
    }
  };
  const judge = () => {
    const cut = performance.now() - heard > CUT_AFTER_MS;
    const before = stale;
    stale = cut || lost !== null;
    if (stale !== before) {
      body.classList.toggle("stale", stale);
      banner.hidden = !stale;
      document.dispatchEvent(new CustomEvent("hubwatch-stale", { detail: stale }));
      if (!stale) renew();
    }
    if (stale) {
      const words = cut ? body.dataset.cut : body.dataset.lost;
      const text = `${words} (${span(performance.now() - (cut ? heard : lost))}). ${body.dataset.old}.`;
      if (banner.textContent !== text) banner.textContent = text;
    }
  };
  const swap = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    let whole = true;
    for (const part of document.querySelectorAll("[data-swap]")) {
      const other = fresh.getElementById(part.id);
      if (!other) { whole = false; continue; }
      // Somebody who writes or chooses in a part is not disturbed.
      const at = document.activeElement;
      if (part.contains(at) && ["INPUT", "SELECT", "TEXTAREA"].includes(at.tagName)) { whole = false; continue; }
      const focus = part.contains(at) ? { row: at.closest("[id]")?.id, tag: at.tagName, cls: at.classList[0] } : null;
      // What somebody has ticked stays ticked, and what they have opened stays open.
      const ticked = [...part.querySelectorAll("input:checked")].map((each) => each.name);
      const opened = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
      part.replaceChildren(...other.childNodes);
      part.hidden = other.hidden;
      for (const each of part.querySelectorAll("input[type=checkbox]")) each.checked = ticked.includes(each.name);
      for (const each of opened) { const same = document.getElementById(each); if (same) same.open = true; }
      if (focus && focus.row) {
        const row = document.getElementById(focus.row);
        const again = row && (row.querySelector(focus.cls ? `${focus.tag}.${focus.cls}` : focus.tag) || row);
        if (again && again.focus) again.focus({ preventScroll: true });
      }
    }
    document.title = fresh.title;
    // What was left as it was is as old as it was.
    for (const each of whole ? document.querySelectorAll(".asof") : []) {
      const other = fresh.querySelector(".asof");
      if (other && !each.closest("[data-swap]")) each.replaceChildren(...other.cloneNode(true).childNodes);
    }
    ahead = Number(fresh.body.dataset.now) - Date.now();
    shown = performance.now();
    tick();
    document.dispatchEvent(new CustomEvent("hubwatch-swapped"));
  };
  const renew = async () => {
    if (!url || !document.querySelector("[data-swap]")) return;
    if (fetching) { wanted = true; return; }
    fetching = true; wanted = false;
    const wait = AT_MOST_EVERY_MS - (performance.now() - last);
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    last = performance.now();
    try {
      const answer = await fetch(own, { signal: AbortSignal.timeout(FETCH_WITHIN_MS), cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === new URL(body.dataset.login, location.href).pathname) {
        location.assign(answer.url);
      } else if (answer.ok) swap(await answer.text());
    } catch { /* the banner says it when it lasts */ }
    fetching = false;
    if (wanted) renew();
  };
  const ended = async () => {
    // A stream that is refused may be a session that is over: only the server can say.
    try {
      const answer = await fetch(body.dataset.alive, { signal: AbortSignal.timeout(FETCH_WITHIN_MS), cache: "no-store" });
      if (answer.redirected) location.assign(own);
    } catch { /* cut off: the banner says it */ }
  };
  const open = () => {
    source = new EventSource(source && source.last ? `${url.split("?")[0]}?after=${source.last}` : url);
    const mine = source;
    const hear = () => { heard = performance.now(); };
    mine.addEventListener("pulse", (event) => {
      hear();
      const said = JSON.parse(event.data);
      ahead = said.now - Date.now();
      mine.last = said.last;
      lost = said.database_lost_since === null ? null
        : performance.now() - Math.max(0, said.now - Date.parse(said.database_lost_since));
      if (said.watch !== watch) { watch = said.watch; renew(); }
      judge();
    });
    mine.addEventListener("alarm", (event) => {
      hear();
      document.dispatchEvent(new CustomEvent("hubwatch-alarm", { detail: JSON.parse(event.data) }));
      renew();
    });
    mine.addEventListener("missed", () => { hear(); renew(); });
    mine.addEventListener("over", () => location.assign(own));
    mine.onerror = () => {
      if (mine.readyState !== EventSource.CLOSED) return;
      ended();
      setTimeout(() => { if (source === mine) open(); }, 1000);
    };
  };
  document.addEventListener("visibilitychange", () => {
    // A browser has few connections to one server: pages that nobody sees give theirs back, unless they have to call.
    if (!url) return;
    if (document.hidden && !body.dataset.calls) { source?.close(); }
    else if (!document.hidden && source?.readyState === EventSource.CLOSED) { heard = performance.now(); open(); renew(); }
  });
  setInterval(() => {
    tick();
    if (!url || (document.hidden && !body.dataset.calls)) return;
    judge();
    if (!stale && performance.now() - shown > ANEW_EVERY_MS && performance.now() - last > ANEW_EVERY_MS) renew();
  }, 250);
  tick();
  if (url) open();
  // What a server that could not answer showed instead of a page: a wall has nobody who presses.
  if (body.dataset.again) setTimeout(() => location.reload(), 5000);
})();
