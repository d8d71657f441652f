/* An equation or a table that is wider than its column gets smaller, down to 70 %; what is wider still scrolls in its box. */
"use strict";
{
  const fit = () => {
    for (const part of document.querySelectorAll("article mjx-container[display], article table")) {
      const column = part.closest(".table-wrapper, .cell_output, div.math, details") ?? part.parentElement;
      part.style.fontSize = "";
      const whole = parseFloat(getComputedStyle(part).fontSize), wide = () => Math.max(part.scrollWidth, part.offsetWidth);
      for (let share = 1; wide() > column.clientWidth + 0.5 && share > 0.7; ) {
        share -= 0.02;
        part.style.fontSize = `${share * whole}px`;
      }
    }
  };
  const start = () => {
    fit();
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth !== width) {
        width = window.innerWidth;
        fit();
      }
    });
    for (const part of document.querySelectorAll("details")) part.addEventListener("toggle", fit);
  };
  window.addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(start));
}
