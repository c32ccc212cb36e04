// Light or dark: as the system says, until somebody says otherwise.
import { byId } from "./dom.js";

const NAME = "sensorium-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const isDark = () => (localStorage.getItem(NAME) ?? (system.matches ? "dark" : "light")) === "dark";

function show() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  document.dispatchEvent(new Event("theme"));
}

export function startTheme() {
  system.addEventListener("change", show);
  byId("theme").addEventListener("click", () => {
    localStorage.setItem(NAME, isDark() ? "light" : "dark");
    show();
  });
  show();
}
