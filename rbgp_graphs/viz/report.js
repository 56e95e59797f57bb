(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var settings = JSON.parse(document.getElementById("settings").textContent);
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  function template() {
    return settings.templates[dark.matches ? "dark" : "light"];
  }
  plots.forEach(function (plot) {
    var figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
    figure.layout.template = template();
    window.Plotly.newPlot(plot, {
      data: figure.data,
      layout: figure.layout,
      frames: figure.frames || [],
      config: settings.config,
    }).then(function () {
      window.rbgpFigures.attach(plot, figure.action);
    });
  });
  dark.addEventListener("change", function () {
    plots.forEach(function (plot) {
      window.Plotly.relayout(plot, { template: template() });
    });
  });
})();
