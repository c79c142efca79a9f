"use strict";
// What the page can do beyond HTML: times of the reader's own clock, copying, one download for two
// taps, and a way back. No request.
(() => {
  // The answer to a form. Who reloads it, or comes back to it, means the page.
  const sent = location.pathname.match(/^(\/[\w-]{22})\/(password|report|\d+\/get)$/);
  if (sent) history.replaceState(null, "", sent[1]);
  // Of the page's language, in the reader's own variety of it.
  const page = document.documentElement.lang;
  const lang = navigator.languages.find((one) => one.split("-")[0] === page.split("-")[0]) ?? page;
  for (const time of document.querySelectorAll("time[data-local]")) {
    time.textContent = new Date(time.dateTime).toLocaleString(lang, {
      dateStyle: "medium", timeStyle: "short",
    });
  }
  // Their own browsers refuse many downloads, after a counted one has been used up.
  const inside = document.querySelector("[data-inside]");
  if (inside) inside.hidden = !/MicroMessenger|\bQQ\//.test(navigator.userAgent);
  const left = document.querySelector("[data-left]");
  // Counted by the server's clock: the reader's own may be wrong.
  const ends = left && Date.now()
    + Math.max(1000, new Date(left.dataset.left) - new Date(left.dataset.now));
  const tick = () => {
    const seconds = (ends - Date.now()) / 1000;
    if (seconds <= 0) { location.reload(); return; }
    const minutes = Math.floor(seconds / 60);
    const pattern = minutes >= 60 ? left.dataset.hours
      : minutes >= 1 ? left.dataset.minutes : left.dataset.seconds;
    left.textContent = pattern
      .replace("{h}", Math.floor(minutes / 60))
      .replace("{m}", minutes >= 60 ? minutes % 60 : minutes);
    setTimeout(tick, Math.max(250, Math.min(30000, seconds * 1000)));
  };
  if (left) tick();
  const status = document.querySelector("[data-status]");
  for (const form of document.querySelectorAll("form[data-started]")) {
    let startedAt = -Infinity;
    form.addEventListener("submit", (event) => {
      // A second tap would use up another download, and throw away the answer to the first one.
      if (performance.now() - startedAt < 10000) { event.preventDefault(); return; }
      startedAt = performance.now();
      if (status) status.textContent = form.dataset.started;
    });
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        if (status) status.textContent = button.dataset.copied;
      } catch {
        getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      }
    });
  }
})();
