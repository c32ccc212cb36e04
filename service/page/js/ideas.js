// Searches to begin with, where the gallery hangs.
import { byId, el } from "./dom.js";

const IDEAS = ["a dog barking", "waves on a beach", "a person walking", "a cup of coffee", "a thermal photo of a dog", "jumping"];

/** Fill them in; `search` takes the words. */
export function showIdeas(search) {
  const buttons = IDEAS.map((words) => el("button", { type: "button", class: "plain", onclick: () => search(words) }, words));
  byId("ideas").replaceChildren("Try ", ...buttons);
}
