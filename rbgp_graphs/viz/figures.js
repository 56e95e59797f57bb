// What a page does with the figures of rbgp_graphs beyond what plotly.js does: finer levels of a
// pattern when one zooms in, neighbours of a vertex, steps, and a look at a candidate.
window.rbgpFigures = (function () {
  "use strict";

  function integers(text) {
    var bytes = Uint8Array.from(window.atob(text), function (c) { return c.charCodeAt(0); });
    return new Int32Array(bytes.buffer);
  }

  // A pattern ------------------------------------------------------------------------------

  // Turns the data of a pattern into arrays, once.
  function unpack(data) {
    data.factors.forEach(function (factor) {
      if (typeof factor.neighbors !== "string") { return; }
      factor.neighbors = integers(factor.neighbors);
      var indptr = factor.indptr ? integers(factor.indptr) : new Int32Array(factor.left + 1);
      if (!factor.indptr) {
        for (var u = 1; u <= factor.left; u++) { indptr[u] = u * factor.degrees[0]; }
      }
      factor.indptr = indptr;
    });
    if (typeof data.shifts === "string") { data.shifts = integers(data.shifts); }
    return data;
  }

  function ascending(values) {
    return Array.from(new Set(values)).sort(function (a, b) { return a - b; });
  }

  // Position of each mark in a list of marks, as a table over 0..size.
  function places(marks, size) {
    var table = new Int32Array(size + 2), next = 0;
    for (var x = 0; x < table.length; x++) {
      while (next < marks.length && marks[next] <= x) { next++; }
      table[x] = next;
    }
    return table;
  }

  // Edges (x, y) of a factor with x < u or x = u, and y < v or y = v, for all pairs of digits.
  // Returns, for digits at positions a and b, sums[(row + a's) + (column b's)] by lookup.
  function corners(factor, u, v) {
    var rowMarks = withNext(u), colMarks = withNext(v), width = colMarks.length;
    var sums = new Float64Array(rowMarks.length * width), i, j, e;
    function at(marks, digits, plus) {
      var place = new Map(marks.map(function (mark, k) { return [mark, k]; }));
      return Int32Array.from(digits, function (d) { return place.get(d + plus); });
    }
    if (factor.neighbors) {
      var rowAt = places(rowMarks, factor.left), colAt = places(colMarks, factor.right);
      for (i = 0; i < factor.left; i++) {
        if (rowAt[i] >= rowMarks.length) { break; }
        var line = rowAt[i] * width;
        for (e = factor.indptr[i]; e < factor.indptr[i + 1]; e++) {
          j = colAt[factor.neighbors[e]];
          if (j < width) { sums[line + j] += 1; }
        }
      }
      for (i = 0; i < rowMarks.length; i++) {
        for (j = 1; j < width; j++) { sums[i * width + j] += sums[i * width + j - 1]; }
      }
      for (i = width; i < sums.length; i++) { sums[i] += sums[i - width]; }
    } else {
      for (i = 0; i < rowMarks.length; i++) {
        for (j = 0; j < width; j++) { sums[i * width + j] = rowMarks[i] * colMarks[j]; }
      }
    }
    return {
      sums: sums,
      width: width,
      row: at(rowMarks, u, 0),
      nextRow: at(rowMarks, u, 1),
      col: at(colMarks, v, 0),
      nextCol: at(colMarks, v, 1),
    };
  }

  function withNext(digits) {
    var all = [];
    digits.forEach(function (d) { all.push(d, d + 1); });
    return ascending(all);
  }

  // Counts in a twisted tile: of edges (u, v) of the inner graph under one shift, by prefix.
  function shiftedSums(data, shift) {
    data.sums = data.sums || {};
    if (data.sums[shift]) { return data.sums[shift]; }
    var inner = data.factors[2], width = inner.right + 1, u, v, e;
    var isRight = data.side === "right", size = isRight ? inner.right : inner.left;
    var power = (size & (size - 1)) === 0;
    function move(x) { return power ? x ^ shift : (x + shift) % size; }
    var sums = new Int32Array((inner.left + 1) * width);
    for (u = 0; u < inner.left; u++) {
      for (e = 0; e < inner.degrees[0]; e++) {
        v = inner.neighbors ? inner.neighbors[inner.indptr[u] + e] : e;
        sums[((isRight ? u : move(u)) + 1) * width + (isRight ? move(v) : v) + 1] = 1;
      }
    }
    for (u = 1; u <= inner.left; u++) {
      for (v = 1; v < width; v++) { sums[u * width + v] += sums[u * width + v - 1]; }
      for (v = 1; v < width; v++) { sums[u * width + v] += sums[(u - 1) * width + v]; }
    }
    if (Object.keys(data.sums).length > 64) { data.sums = {}; }
    data.sums[shift] = sums;
    return sums;
  }

  function shiftOf(data, u, v) {
    var outer = data.factors[0];
    if (!outer.neighbors) { return data.shifts[u * outer.right + v]; }
    var low = outer.indptr[u], high = outer.indptr[u + 1] - 1, middle;
    while (low < high) {
      middle = (low + high) >> 1;
      if (outer.neighbors[middle] < v) { low = middle + 1; } else { high = middle; }
    }
    return data.shifts[low];
  }

  // Nonzeros before (row, col) inside a tile with a shift.
  function tileCount(data, shift, row, col) {
    var repeat = data.factors[1], inner = data.factors[2], block = data.factors[3];
    var height = inner.left * block.left, width = inner.right * block.right;
    var rowDegree = inner.degrees[0] * block.right, colDegree = inner.degrees[1] * block.left;
    var ur = Math.floor(row / height), vr = Math.floor(col / width);
    row -= ur * height;
    col -= vr * width;
    var total = ur * vr * height * rowDegree;
    if (vr < repeat.right || row === 0) { total += vr * row * rowDegree; }
    total += ur * col * colDegree;
    var ui = Math.floor(row / block.left), vi = Math.floor(col / block.right);
    var ub = row - ui * block.left, vb = col - vi * block.right;
    var sums = shiftedSums(data, shift), w = inner.right + 1;
    var here = sums[ui * w + vi];
    var below = ui < inner.left ? sums[(ui + 1) * w + vi] : here;
    var beside = vi < inner.right ? sums[ui * w + vi + 1] : here;
    var beyond = ui < inner.left && vi < inner.right ? sums[(ui + 1) * w + vi + 1] : 0;
    total += here * block.left * block.right;
    total += (below - here) * ub * block.right + (beside - here) * vb * block.left;
    if (ui < inner.left && vi < inner.right) {
      total += (beyond - below - beside + here) * ub * vb;
    }
    return total;
  }

  // Entry (a, b) is the number of nonzeros with row < rows[a] and column < cols[b].
  function countBefore(data, factors, rows, cols, isTwisted) {
    var m = rows.length, n = cols.length;
    var total = new Float64Array(m * n), reached = new Uint8Array(m * n).fill(1);
    var rowSize = data.shape[0], colSize = data.shape[1], last = isTwisted ? 1 : factors.length;
    for (var depth = 0; depth < last; depth++) {
      var factor = factors[depth];
      rowSize /= factor.left;
      colSize /= factor.right;
      var rowDegree = 1, colDegree = 1;
      for (var k = depth + 1; k < factors.length; k++) {
        rowDegree *= factors[k].degrees[0];
        colDegree *= factors[k].degrees[1];
      }
      var u = rows.map(function (r) { return Math.floor(r / rowSize); });
      var v = cols.map(function (c) { return Math.floor(c / colSize); });
      rows = rows.map(function (r, a) { return r - u[a] * rowSize; });
      cols = cols.map(function (c, b) { return c - v[b] * colSize; });
      var found = corners(factor, u, v), sums = found.sums;
      for (var a = 0; a < m; a++) {
        var isLastRow = u[a] >= factor.left;
        var here = found.row[a] * found.width, below = found.nextRow[a] * found.width;
        for (var b = 0; b < n; b++) {
          var at = a * n + b;
          if (!reached[at]) { continue; }
          var isLastCol = v[b] >= factor.right;
          var before = sums[here + found.col[b]];
          var inRow = isLastRow ? 0 : sums[below + found.col[b]] - before;
          var inCol = isLastCol ? 0 : sums[here + found.nextCol[b]] - before;
          var isEdge = 0;
          if (!isLastRow && !isLastCol) {
            isEdge = sums[below + found.nextCol[b]] - before - inRow - inCol;
          }
          total[at] += before * rowSize * rowDegree;
          total[at] += inRow * rows[a] * rowDegree + inCol * cols[b] * colDegree;
          reached[at] = isEdge;
          if (isTwisted && isEdge) {
            total[at] += tileCount(data, shiftOf(data, u[a], v[b]), rows[a], cols[b]);
          }
        }
      }
    }
    return total;
  }

  // Shares of nonzeros in every rectangle between ascending edges.
  function densities(data, rowEdges, colEdges, tilesOnly) {
    unpack(data);
    var factors = data.factors;
    if (tilesOnly) {
      var first = factors[0];
      var height = data.shape[0] / first.left, width = data.shape[1] / first.right;
      factors = [first, { left: height, right: width, degrees: [width, height] }];
    }
    var isTwisted = Boolean(data.shifts) && !tilesOnly;
    var before = countBefore(data, factors, rowEdges, colEdges, isTwisted);
    var n = colEdges.length, result = [];
    for (var a = 0; a + 1 < rowEdges.length; a++) {
      var line = new Float64Array(n - 1), height_ = rowEdges[a + 1] - rowEdges[a];
      for (var b = 0; b + 1 < n; b++) {
        var at = a * n + b;
        var count = before[at + n + 1] - before[at + n] - before[at + 1] + before[at];
        line[b] = count / (height_ * (colEdges[b + 1] - colEdges[b]));
      }
      result.push(line);
    }
    return result;
  }

  // Cells that one pixel covers, given the sizes of the levels, descending.
  function pixelStep(span, sizes, most) {
    var need = Math.ceil(span / most), below = 1, above = null, k;
    if (need === 1) { return 1; }
    for (k = 0; k < sizes.length; k++) {
      if (sizes[k] <= need) { below = sizes[k]; break; }
    }
    for (k = sizes.length - 1; k >= 0; k--) {
      if (sizes[k] > need) { above = sizes[k]; break; }
    }
    if (above !== null) {
      var ratio = Math.floor(above / below);
      for (var d = Math.ceil(need / below); d <= ratio; d++) {
        if (ratio % d === 0) {
          if (below * d <= 2 * need) { return below * d; }
          break;
        }
      }
    }
    return below * Math.ceil(need / below);
  }

  function stepEdges(range, step) {
    var edges = [range[0]];
    for (var x = (Math.floor(range[0] / step) + 1) * step; x < range[1]; x += step) {
      edges.push(x);
    }
    edges.push(range[1]);
    return edges;
  }

  function evenEdges(range, count) {
    var span = range[1] - range[0], edges = [];
    count = Math.min(count, span);
    for (var k = 0; k <= count; k++) { edges.push(range[0] + Math.floor(k * span / count)); }
    return edges;
  }

  // Which of the parts between ascending edges holds a place.
  function placeOf(edges, at) {
    var k = 0;
    while (edges[k + 1] <= at) { k++; }
    return k;
  }

  // What a window shows: densities, and how many cells a pixel has. There are about
  // data.pixels of them a side, or `most` if that is less: those of the screen.
  function view(data, rows, cols, most) {
    unpack(data);
    most = Math.min(data.pixels, most || data.pixels);
    function sizes(key) { return data.levels.map(function (level) { return level[key]; }); }
    var rowStep = pixelStep(rows[1] - rows[0], sizes("rows"), most);
    var colStep = pixelStep(cols[1] - cols[0], sizes("cols"), most);
    var rowEdges = stepEdges(rows, rowStep), colEdges = stepEdges(cols, colStep);
    return {
      rowStep: rowStep,
      colStep: colStep,
      rowEdges: rowEdges,
      colEdges: colEdges,
      density: densities(data, rowEdges, colEdges, false),
    };
  }

  // The density to draw opaque: as `Raster.top` in raster.py.
  function topOf(density) {
    var most = 0, sum = 0, width = density[0].length, count = density.length * width;
    density.forEach(function (line) {
      for (var b = 0; b < width; b++) {
        if (line[b] > most) { most = line[b]; }
        sum += line[b];
      }
    });
    return Math.max(most, Math.min(1, 2 * sum / count)) || 1;
  }

  // Whether the mask leaves anything of the tint below it to see.
  function isSeen(tint, mask, covered) {
    var tintTop = topOf(tint), maskTop = topOf(mask);
    return tint.some(function (line, a) {
      return line.some(function (share, b) {
        return covered * share / tintTop > mask[a][b] / maskTop;
      });
    });
  }

  function picture(density, color, opacity) {
    var height = density.length, width = density[0].length, top = topOf(density), a, b;
    var small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    var brush = small.getContext("2d"), image = brush.createImageData(width, height);
    var rgb = [1, 3, 5].map(function (k) { return parseInt(color.substr(k, 2), 16); });
    var bytes = new Uint8Array(256 * 4), scale = 255 * opacity / top;
    for (a = 0; a < 256; a++) { bytes.set([rgb[0], rgb[1], rgb[2], a], 4 * a); }
    // One write for the four bytes of a pixel.
    var colors = new Uint32Array(bytes.buffer), pixels = new Uint32Array(image.data.buffer);
    for (a = 0; a < height; a++) {
      var line = density[a], at = a * width;
      for (b = 0; b < width; b++) { pixels[at + b] = colors[Math.round(scale * line[b])]; }
    }
    brush.putImageData(image, 0, 0);
    // Browsers smooth images that they enlarge, so small ones are enlarged here.
    var large = document.createElement("canvas");
    large.width = width * Math.pow(2, Math.max(0, Math.ceil(Math.log2(1000 / width))));
    large.height = height * Math.pow(2, Math.max(0, Math.ceil(Math.log2(1000 / height))));
    var canvas = large.getContext("2d");
    canvas.imageSmoothingEnabled = false;
    canvas.drawImage(small, 0, 0, large.width, large.height);
    return large.toDataURL("image/png");
  }

  function imageAt(shown, source, name, apart) {
    return {
      source: source,
      name: name,
      xref: "x",
      yref: "y",
      x: Math.floor(shown.colEdges[0] / shown.colStep) * shown.colStep - 0.5 + apart,
      y: Math.floor(shown.rowEdges[0] / shown.rowStep) * shown.rowStep - 0.5,
      sizex: shown.density[0].length * shown.colStep,
      sizey: shown.density.length * shown.rowStep,
      xanchor: "left",
      yanchor: "top",
      sizing: "stretch",
      layer: "below",
    };
  }

  function multiples(range, size, coarser) {
    return stepEdges(range, size).slice(1, -1).filter(function (x) { return x % coarser !== 0; });
  }

  // The runs of neighbouring tiles that exist, as pairs of edges.
  function runs(exist, edges) {
    var found = [];
    exist.forEach(function (here, k) {
      if (!here) { return; }
      if (k && exist[k - 1]) { found[found.length - 1][1] = edges[k + 1]; return; }
      found.push([edges[k], edges[k + 1]]);
    });
    return found;
  }

  // Where the parts of each level meet; lines of finer levels stay in the tiles that exist.
  function lineTraces(data, rows, cols, pixels) {
    var traces = [], above = data.shape, rowEdges = rows, colEdges = cols, exist = [[true]];
    data.levels.every(function (level, number) {
      var sizes = [level.rows, level.cols], x = [], y = [], spacing = Infinity;
      sizes.forEach(function (size, k) {
        if (size < above[k]) { spacing = Math.min(spacing, size * pixels[k]); }
      });
      if (spacing < level.least) { return false; }
      multiples(rows, level.rows, above[0]).forEach(function (at) {
        var line = exist[placeOf(rowEdges, at)];
        runs(line, colEdges).forEach(function (run) {
          x.push(run[0] - 0.5, run[1] - 0.5, null);
          y.push(at - 0.5, at - 0.5, null);
        });
      });
      multiples(cols, level.cols, above[1]).forEach(function (at) {
        var k = placeOf(colEdges, at);
        runs(exist.map(function (line) { return line[k]; }), rowEdges).forEach(function (run) {
          x.push(at - 0.5, at - 0.5, null);
          y.push(run[0] - 0.5, run[1] - 0.5, null);
        });
      });
      above = sizes;
      if (number === 0) {
        rowEdges = stepEdges(rows, level.rows);
        colEdges = stepEdges(cols, level.cols);
        exist = rowEdges.slice(1).map(function () {
          return colEdges.slice(1).map(function () { return true; });
        });
        if (data.tiles) {
          exist = densities(data, rowEdges, colEdges, true).map(function (line) {
            return Array.from(line, function (share) { return share > 0; });
          });
        }
      }
      if (!x.length) { return true; }
      traces.push({
        type: "scatter",
        mode: "lines",
        x: x,
        y: y,
        name: level.label,
        hoverinfo: "skip",
        line: {
          color: level.look.color,
          dash: level.look.dash,
          width: Math.min(level.look.width, spacing / 20),
        },
      });
      return true;
    });
    return traces;
  }

  // The place of a cell in every factor.
  function cellText(data, row, col, isNonzero, isTile) {
    var words = isNonzero ? "nonzero" : "zero inside a tile";
    if (!isNonzero && !isTile) { words = data.tiles ? "zero, there is no tile" : "zero"; }
    var lines = [];
    for (var k = data.factors.length - 1; k >= 0 && data.factors.length > 1; k--) {
      var factor = data.factors[k];
      lines.unshift(
        data.names[k] + ": vertices " + (row % factor.left) + ", " + (col % factor.right)
      );
      row = Math.floor(row / factor.left);
      col = Math.floor(col / factor.right);
    }
    return [words].concat(lines).join("<br>");
  }

  function hoverTrace(data, rows, cols) {
    var isNear = rows[1] - rows[0] <= 64 && cols[1] - cols[0] <= 64;
    var rowEdges = evenEdges(rows, isNear ? 64 : 48), colEdges = evenEdges(cols, isNear ? 64 : 48);
    var z = densities(data, rowEdges, colEdges, false);
    var trace = {
      type: "heatmap",
      x: colEdges.map(function (c) { return c - 0.5; }),
      y: rowEdges.map(function (r) { return r - 0.5; }),
      z: z,
      opacity: 0,
      showscale: false,
      name: "share of nonzeros",
      hovertemplate:
        "near row %{y:,.0f}, column %{x:,.0f}<br>%{z:.3%} nonzero<extra></extra>",
    };
    if (isNear) {
      var inTile = data.tiles ? densities(data, rowEdges, colEdges, true) : null;
      trace.hovertemplate = "%{text}<extra></extra>";
      trace.text = z.map(function (line, a) {
        return Array.from(line, function (share, b) {
          var row = rowEdges[a], col = colEdges[b];
          var isTile = inTile !== null && inTile[a][b] > 0;
          var head = "row " + row + ", column " + col + "<br>";
          return head + cellText(data, row, col, share > 0, isTile);
        });
      });
    }
    return trace;
  }

  function zoom(plot, data) {
    var bounds = data.bounds, waiting = null, seen = "";
    function redraw() {
      waiting = null;
      var x = plot._fullLayout.xaxis.range, y = plot._fullLayout.yaxis.range;
      var cols = [Math.floor(Math.min(x[0], x[1]) + 0.5), Math.ceil(Math.max(x[0], x[1]) + 0.5)];
      var rows = [Math.floor(Math.min(y[0], y[1]) + 0.5), Math.ceil(Math.max(y[0], y[1]) + 0.5)];
      rows = [Math.max(bounds.rows[0], rows[0]), Math.min(bounds.rows[1], rows[1])];
      cols = [Math.max(bounds.cols[0], cols[0]), Math.min(bounds.cols[1], cols[1])];
      if (rows[0] >= rows[1] || cols[0] >= cols[1] || seen === String([rows, cols])) { return; }
      seen = String([rows, cols]);
      var sides = [plot._fullLayout.yaxis._length, plot._fullLayout.xaxis._length];
      var most = Math.ceil(Math.max(sides[0], sides[1]) * window.devicePixelRatio);
      var shown = view(data, rows, cols, most), images = [];
      var here = data.tiles ? densities(data, shown.rowEdges, shown.colEdges, true) : [];
      var hasTint = isSeen(here, shown.density, data.tiles && data.tiles.covered);
      if (hasTint) {
        var tint = picture(here, data.tiles.color, data.tiles.opacity);
        images.push(imageAt(shown, tint, "tiles", 0));
      }
      var mask = picture(shown.density, data.color, 1), top = topOf(shown.density);
      images.push(imageAt(shown, mask, "mask", images.length ? 1e-6 * shown.colStep : 0));
      var fixed = plot.data.filter(function (trace) {
        return trace.type === "scatter" && trace.mode === "markers";
      });
      fixed.forEach(function (trace) {
        if (data.tiles && trace.name === data.tiles.name) { trace.visible = hasTint; }
        var bar = trace.marker && trace.marker.colorbar;
        if (bar) {
          var exact = shown.rowStep === 1 && shown.colStep === 1;
          trace.marker.cmax = top;
          bar.tickvals = [0, top];
          bar.ticktext = ["0 %", +(100 * top).toPrecision(4) + " % nonzero"];
          if (exact) { bar.ticktext = ["zero", "nonzero"]; }
        }
      });
      var pixels = [sides[0] / (rows[1] - rows[0]), sides[1] / (cols[1] - cols[0])];
      plot.layout.images = images;
      window.Plotly.react(
        plot,
        [hoverTrace(data, rows, cols)].concat(fixed, lineTraces(data, rows, cols, pixels)),
        plot.layout
      );
    }
    plot.on("plotly_relayout", function (change) {
      var isMove = Object.keys(change || {}).some(function (key) {
        return /^[xy]axis/.test(key) || key === "autosize";
      });
      if (isMove && waiting === null) { waiting = window.setTimeout(redraw, 0); }
    });
  }

  // A graph --------------------------------------------------------------------------------

  function live(plot) {
    var line = document.createElement("p");
    line.className = "live";
    line.setAttribute("aria-live", "polite");
    plot.after(line);
    return line;
  }

  function neighbors(plot, data) {
    var of = [data.neighbors, data.right.map(function () { return []; })];
    data.neighbors.forEach(function (list, u) {
      list.forEach(function (v) { of[1][v].push(u); });
    });
    var heights = [data.left, data.right], names = ["left", "right"], chosen = -1;
    var line = live(plot);
    function show(side, vertex) {
      var x = [], y = [];
      of[side][vertex].forEach(function (other) {
        x.push(side, 1 - side, null);
        y.push(heights[side][vertex], heights[1 - side][other], null);
      });
      if (!x.length) { x = [side]; y = [heights[side][vertex]]; }
      window.Plotly.restyle(plot, { x: [x], y: [y] }, [1]);
      line.textContent = names[side] + " vertex " + vertex + ": neighbours " +
        (of[side][vertex].join(", ") || "none");
    }
    function clear() {
      window.Plotly.restyle(plot, { x: [[null]], y: [[null]] }, [1]);
      line.textContent = "Point at a vertex, or use the arrow keys, to see its neighbours.";
    }
    clear();
    plot.on("plotly_hover", function (event) {
      var point = event.points[0];
      if (point.curveNumber >= 2) { show(point.curveNumber - 2, point.pointNumber); }
    });
    plot.on("plotly_unhover", clear);
    plot.tabIndex = 0;
    plot.addEventListener("keydown", function (event) {
      var step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      var count = data.left.length + data.right.length;
      if (event.key === "Escape") { chosen = -1; clear(); }
      if (!step || event.target !== plot) { return; }
      event.preventDefault();
      chosen = (chosen + step + count) % count;
      var side = chosen < data.left.length ? 0 : 1;
      show(side, chosen - side * data.left.length);
    });
  }

  // Steps and choices ----------------------------------------------------------------------

  function labelled(plot, kind, text) {
    var label = document.createElement("label"), control = document.createElement(kind);
    label.className = "control";
    label.append(text + " ", control);
    plot.before(label);
    return control;
  }

  function frames(plot, data) {
    var names = plot._transitionData._frames.map(function (frame) { return frame.name; });
    var slider = labelled(plot, "input", data.label), output = document.createElement("output");
    slider.type = "range";
    slider.min = 0;
    slider.max = names.length - 1;
    slider.value = 0;
    slider.after(output);
    function show() {
      output.textContent = " " + names[slider.value];
      slider.setAttribute("aria-valuetext", data.label + " " + names[slider.value]);
      window.Plotly.animate(plot, [names[slider.value]], {
        mode: "immediate",
        frame: { duration: 0, redraw: true },
        transition: { duration: 0 },
      });
    }
    slider.addEventListener("input", show);
    output.textContent = " " + names[0];
  }

  function candidates(plot, data) {
    var select = labelled(plot, "select", data.label);
    data.choices.forEach(function (choice, k) {
      var option = document.createElement("option");
      option.value = k;
      option.textContent = choice.label;
      select.append(option);
    });
    function mark(k, title, z) {
      var choice = data.choices[k], change = {};
      window.Plotly.restyle(plot, { z: [z] }, [data.preview]);
      window.Plotly.restyle(plot, { x: [[choice.x]], y: [[choice.y]] }, [data.ring]);
      change["annotations[" + data.annotation + "].text"] = title;
      window.Plotly.relayout(plot, change);
      select.value = k;
    }
    function show(k) {
      var choice = data.choices[k], z = [];
      if (!choice.levels) {
        mark(k, choice.title + "<br>(no picture of this one here)", [[null]]);
        return;
      }
      var bytes = Uint8Array.from(window.atob(choice.levels), function (c) {
        return c.charCodeAt(0);
      });
      for (var a = 0; a < choice.height; a++) {
        z.push(Array.from(bytes.subarray(a * choice.width, (a + 1) * choice.width)));
      }
      mark(k, choice.title, z);
    }
    select.addEventListener("change", function () { show(Number(select.value)); });
    select.value = data.chosen;
    plot.on("plotly_click", function (event) {
      var k = event.points[0].customdata;
      k = Array.isArray(k) ? k[0] : k;
      if (typeof k === "number" && data.choices[k]) { show(k); }
    });
  }

  var kinds = { zoom: zoom, neighbors: neighbors, frames: frames, candidates: candidates };

  return {
    // Gives a drawn figure what the key "action" of its meta asks for.
    attach: function (plot, action) {
      if (action && kinds[action.kind]) { kinds[action.kind](plot, action); }
    },
    densities: densities,
    lines: lineTraces,
    view: view,
  };
})();
