// Runs before the first paint, so that a chosen colour scheme does not flash; the Content-Security-Policy allows no
// inline script. Without storage (private windows) the choice lasts as long as the page.
"use strict";
(() => {
  try {
    const theme = localStorage.getItem("sojourn.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // automatic
  }
})();
