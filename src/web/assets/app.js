// Pages work without this file. It opens dialogs, keeps refreshes from getting
// in the way, and closes every road from markup to code.
(() => {
  "use strict";
  const refuse = () => {
    throw new Error("Yardmaster runs no code from attributes");
  };
  const html = (text) => text;
  const policy = globalThis.trustedTypes?.createPolicy("htmx", {
    createHTML: html,
    // A script inside of a fragment becomes an empty one.
    createScript: () => "",
  });
  const config = globalThis.htmx?.config;
  if (config) {
    config.includeIndicatorCSS = false;
    config.defaultTimeout = 15000;
    config.morphIgnore = ["data-htmx-powered", "open"];
    config.history = false;
    htmx.registerExtension("yardmaster", {
      init: (api) => api.initSecurity(policy, refuse, refuse),
      htmx_config_request: (_, { ctx }) => {
        if (isInTheWay(ctx)) return false;
        const tag = isRefresh(ctx) && tags.get(ctx.sourceElement);
        if (tag) ctx.request.headers["If-None-Match"] = tag;
      },
      htmx_after_request: (_, { ctx }) => {
        const { status, headers } = ctx.response;
        // Something else may change what the tag was given for.
        if (!isRefresh(ctx)) tags = new WeakMap();
        else if (status === 200) {
          tags.set(ctx.sourceElement, headers.get("ETag"));
        }
      },
    });
  }

  /** What was last put into each part that refreshes itself. */
  let tags = new WeakMap();
  const isRefresh = (ctx) => ctx?.sourceEvent?.type === "every";

  const dialog = () => document.getElementById("dialog");

  /** A refresh must not take away what somebody reads, types or has chosen. */
  function isInTheWay(ctx) {
    if (!isRefresh(ctx)) return false;
    const focused = document.activeElement;
    return document.hidden || dialog()?.open ||
      String(getSelection()).length > 0 ||
      Boolean(focused?.matches("input, select, textarea")) ||
      document.querySelector("main input:checked") !== null;
  }

  document.addEventListener("htmx:after:swap", () => {
    const box = dialog();
    if (box && box.childElementCount > 0 && !box.open) box.showModal();
    refreshTimes();
  });

  // Its button is disabled while the dialog is fetched, and so loses the focus
  // before the browser could remember it.
  let opener = null;
  document.addEventListener("submit", (event) => {
    if (!dialog()?.contains(event.target)) opener = event.submitter;
  }, true);

  // "close" does not bubble, so it is caught on its way down.
  document.addEventListener("close", (event) => {
    if (event.target !== dialog()) return;
    event.target.replaceChildren();
    opener?.focus();
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target === dialog()) event.target.close();
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    navigator.clipboard?.writeText(button.dataset.copy).then(() => {
      const label = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => button.textContent = label, 1500);
    });
  });

  // The server's clock is the one that counts: the page says when it was made.
  const made = Date.parse(document.documentElement.dataset.now ?? "");
  const offset = Number.isNaN(made) ? 0 : made - Date.now();

  /** The same words as the server's. */
  function span(ms) {
    const seconds = Math.round(ms / 1e3);
    const minutes = Math.round(ms / 6e4);
    const hours = Math.round(ms / 36e5);
    if (seconds < 60) return `${seconds} s`;
    if (minutes < 60) return `${minutes} min`;
    if (hours >= 48) return `${Math.round(ms / 864e5)} d`;
    const rest = minutes % 60;
    return rest === 0 || minutes >= 600
      ? `${hours} h`
      : `${Math.floor(minutes / 60)} h ${rest} min`;
  }

  function refreshTimes() {
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const ms = Date.now() + offset - Date.parse(time.dateTime);
      const past = ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`;
      const words = Math.abs(ms) < 1000 ? "just now" : past;
      if (time.textContent !== words) time.textContent = words;
    }
  }
  setInterval(() => document.hidden || refreshTimes(), 10000);
})();
