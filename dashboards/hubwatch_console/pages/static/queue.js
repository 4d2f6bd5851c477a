"use strict";
// The queue by keyboard, and its sound. What calls is a new alarm that nobody has.
(() => {
  const list = document.getElementById("list"), button = document.getElementById("sound"), help = document.getElementById("help");
  let here = null, context = null;
  const KEY = "hubwatch-sound";
  const rows = () => [...list.querySelectorAll("li.row")];
  const mark = (row) => {
    for (const each of rows()) each.classList.toggle("here", each === row);
    here = row ? row.id : null;
    if (row) { row.querySelector("a.open").focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }); }
  };
  const current = () => rows().find((row) => row.id === here) || document.activeElement?.closest?.("li.row") || null;
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = current() ? all.indexOf(current()) : by > 0 ? -1 : all.length;
    mark(all[Math.min(all.length - 1, Math.max(0, at + by))]);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const act = {
      j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
      a: () => current()?.querySelector("button.ack")?.click(),
      f: () => document.querySelector("#filters select")?.focus(),
      s: () => button.click(), "?": () => help.togglePopover(),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  document.addEventListener("hubwatch-swapped", () => {
    const row = rows().find((each) => each.id === here);
    if (row) row.classList.add("here");
  });
  const wanted = () => { try { return localStorage.getItem(KEY) === "on"; } catch { return false; } };
  const show = () => {
    const on = wanted(), locked = on && (!context || context.state !== "running");
    button.textContent = !on ? button.dataset.off : locked ? button.dataset.locked : button.dataset.on;
    button.setAttribute("aria-pressed", String(on && !locked));
    button.classList.toggle("bad", locked);
    if (on) document.body.dataset.calls = "yes"; else delete document.body.dataset.calls;
  };
  const ready = async () => {
    context ||= new AudioContext();
    context.onstatechange = show;
    // Without a press a browser may let this wait for ever.
    await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 300))]);
    show();
  };
  const call = (priority) => {
    if (!wanted() || !context || context.state !== "running") return;
    const times = { 1: 3, 2: 2 }[priority] || 1;
    for (let i = 0; i < times; i += 1) {
      const tone = context.createOscillator(), level = context.createGain(), at = context.currentTime + i * 0.35;
      tone.frequency.value = priority === 1 ? 880 : 620;
      level.gain.setValueAtTime(0.0001, at);
      level.gain.exponentialRampToValueAtTime(0.3, at + 0.02);
      level.gain.exponentialRampToValueAtTime(0.0001, at + 0.28);
      tone.connect(level).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.3);
    }
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    const locked = wanted() && (!context || context.state !== "running");
    try { localStorage.setItem(KEY, wanted() && !locked ? "off" : "on"); } catch { return; }
    if (wanted()) { await ready(); call(3); } else show();
  });
  document.addEventListener("hubwatch-alarm", (event) => {
    const said = event.detail;
    if (["opened", "raised", "recurred", "shelf_expired", "released", "realarmed"].includes(said.action)
      && ["unacknowledged", "returned"].includes(said.state)) call(said.priority);
  });
  if (wanted()) ready(); else show();
})();
