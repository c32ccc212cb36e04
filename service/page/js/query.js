// What is being looked for: parts with signs and weights, and the words in the line.

let next = 0;

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

async function content(part) {
  if (part.text !== undefined) return { text: part.text };
  if (part.id !== undefined) return { id: part.id };
  if (part.sense === "text") return { text: await part.file.text() };
  part.data ??= await base64(part.file);
  const rate = part.sense === "imu" && part.rate ? { sample_rate: part.rate } : {};
  const unit = part.sense === "depth" && part.relative ? { unit: "relative" } : {};
  return { [part.sense]: part.data, ...rate, ...unit };
}

/** Tells of `change` after each. A part has one of `text`, `id` (with `label`) or `file` (with `sense`, `senses`). */
export class Query extends EventTarget {
  constructor() {
    super();
    this.parts = [];
    this.words = "";
  }

  get isEmpty() {
    return !this.parts.length && !this.words.trim();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  add(...parts) {
    if (!parts.length) return;
    this.parts.push(...parts.map((part) => ({ sign: 1, weight: 1, key: next++, ...part })));
    this.changed();
  }

  /** Let go of items of other collections; whether there were any. */
  moveTo(collection) {
    const kept = this.parts.filter((part) => part.id === undefined || part.collection === collection);
    if (kept.length === this.parts.length) return false;
    this.parts = kept;
    this.changed();
    return true;
  }

  only(part) {
    this.parts = [];
    this.words = "";
    this.add(part);
  }

  alter(part, facts) {
    Object.assign(part, facts);
    this.changed();
  }

  remove(part) {
    this.parts = this.parts.filter((each) => each !== part);
    this.changed();
  }

  clear() {
    this.parts = [];
    this.words = "";
    this.changed();
  }

  /** The `query` of a search request. */
  async body() {
    const words = this.words.trim() ? [{ text: this.words.trim(), sign: 1, weight: 1 }] : [];
    const all = await Promise.all(
      [...this.parts, ...words].map(async (part) => ({ ...(await content(part)), weight: part.sign * part.weight })),
    );
    return all.length === 1 ? all[0] : all;
  }

  /** The file that `param` of an error means (`query`, `query[1]`), or undefined. */
  fileAt(param) {
    const found = /^query(?:\[(\d+)\])?/.exec(param ?? "");
    return found ? this.parts[Number(found[1] ?? 0)]?.file?.name : undefined;
  }

  /** In words, for the status line. */
  get spoken() {
    const words = this.words.trim() ? [{ text: this.words.trim(), sign: 1 }] : [];
    return [...this.parts, ...words]
      .map((part, i) => `${part.sign < 0 ? "− " : i ? "+ " : ""}${part.text ? `“${part.text}”` : part.label ?? part.file.name}`)
      .join(" ");
  }
}
