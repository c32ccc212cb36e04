// Two views, one at a time; arrow keys go from tab to tab.
import { byId } from "./dom.js";

/** `views`: name -> what to call when that view is shown; tabs are `tab-NAME`, panels `NAME`. */
export function startTabs(views) {
  const names = Object.keys(views);
  const choose = (name) => {
    for (const each of names) {
      const tab = byId(`tab-${each}`);
      tab.setAttribute("aria-selected", String(each === name));
      tab.tabIndex = each === name ? 0 : -1;
      byId(each).hidden = each !== name;
    }
    document.body.dataset.view = name;
    views[name]();
  };
  for (const [i, name] of names.entries()) {
    byId(`tab-${name}`).addEventListener("click", () => choose(name));
    byId(`tab-${name}`).addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = names[(i + by + names.length) % names.length];
      choose(next);
      byId(`tab-${next}`).focus();
    });
  }
}
