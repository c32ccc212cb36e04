// The API key, kept for this tab alone.
import { byId } from "./dom.js";

const NAME = "sensorium-key";
// What a header carries; `fetch` throws for the rest.
const SENDABLE = /^[!-~]+$/;
let asking = null;

export const storedKey = () => sessionStorage.getItem(NAME) ?? "";

function open(used) {
  return new Promise((resolve) => {
    const dialog = byId("key");
    const why = used ? "The server does not know that key, or not any more." : "Whoever runs it can give you one.";
    byId("key-why").textContent = `${why} A key is kept in this tab alone, until you close it.`;
    const settle = () => {
      const value = byId("key-value").value.trim();
      if (!SENDABLE.test(value)) {
        if (value) byId("key-why").textContent = "A key has plain letters, digits and signs only: no spaces, no accents, no curly quotes.";
        return dialog.showModal();
      }
      sessionStorage.setItem(NAME, value);
      byId("key-value").value = "";
      dialog.removeEventListener("close", settle);
      return resolve();
    };
    dialog.addEventListener("close", settle);
    dialog.showModal();
  });
}

/** Ask once for a key, however many requests want it; `used` is the one that was refused, empty where there was none. */
export async function askKey(used) {
  if (storedKey() !== used) return;
  asking ??= open(used).finally(() => { asking = null; });
  await asking;
}
