// What the page does without the server: the reader's colours, and neighbours of vertices.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function scheme() {
    return dark.matches ? "dark" : "light";
  }
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    rbgp: { scheme: scheme },
  });
  dark.addEventListener("change", function () {
    window.dash_clientside.set_props("scheme", { data: scheme() });
  });

  // Dash keeps the cursor of an input in place, also where there is none, and browsers complain.
  var select = HTMLInputElement.prototype.setSelectionRange;
  HTMLInputElement.prototype.setSelectionRange = function () {
    if (this.type !== "range") { select.apply(this, arguments); }
  };

  // Dash draws figures when it likes, so each is looked for until it is there.
  function attach() {
    // The button beside it is what a keyboard reaches; the name is for assistive technology.
    document.querySelectorAll(".upload input[type=file]:not([aria-label])").forEach(function (input) {
      input.setAttribute("aria-label", input.parentElement.textContent.trim());
    });
    document.querySelectorAll(".js-plotly-plot").forEach(function (plot) {
      var meta = plot.layout && plot.layout.meta;
      if (!meta || !meta.action || plot.rbgpAttached || !plot._fullLayout) { return; }
      if (meta.action.kind !== "neighbors") { return; }
      plot.rbgpAttached = true;
      window.rbgpFigures.attach(plot, meta.action);
    });
  }
  new MutationObserver(attach).observe(document.documentElement, {
    childList: true,
    subtree: true,
  });
})();
