// Before anything is painted: light or dark, so that nothing flashes. The rest is in theme.js.
document.documentElement.dataset.theme =
  localStorage.getItem("sensorium-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
