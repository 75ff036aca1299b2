"use strict";
// Without this script everything is there to read; with it, the pictures can be filtered.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const field = form.querySelector("input");
  const said = form.querySelector("output");
  const all = document.getElementById("tiles");
  const tiles = [...all.querySelectorAll(".chunk > li")];
  const texts = tiles.map((tile) => tile.textContent.toLowerCase());
  let waiting = 0;
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    all.classList.toggle("filtered", words.length > 0);
    let shown = 0;
    tiles.forEach((tile, number) => {
      const fits = words.every((word) => texts[number].includes(word));
      tile.hidden = !fits;
      shown += fits;
    });
    said.textContent = words.length
      ? `${shown.toLocaleString("en")} of ${tiles.length.toLocaleString("en")} shown`
      : "";
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
})();
