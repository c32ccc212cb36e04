// Files of items as addresses that <img> and <audio> take, fetched with the key and let go when out of use.
import { ask, itemPath } from "./api.js";

const WATCHED = new Map();
const NEAR = "400px";

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    WATCHED.get(entry.target)?.();
    WATCHED.delete(entry.target);
  }
}, { rootMargin: NEAR });

/** Call `load` once `element` is about to be seen. */
export function whenSeen(element, load) {
  WATCHED.set(element, load);
  observer.observe(element);
}

/** The preview of an item: its answer. */
export const previewOf = (collection, item, size = 480, at) =>
  ask(`${itemPath(collection, item.id)}/preview?size=${size}${at === undefined ? "" : `&at=${at}`}`);

/** The original file of an item. */
export const originalOf = (collection, item) => ask(`${itemPath(collection, item.id)}/media`);

/** An address for the file in `answer`. */
export const addressOf = async (answer) => URL.createObjectURL(await answer.blob());

/** Let go of every address below `element`. */
export function release(element) {
  for (const each of element.querySelectorAll("[src^='blob:']")) URL.revokeObjectURL(each.src);
}
