// How things come into the query: typed, chosen, dropped, pasted, heard.
import { byId } from "./dom.js";
import { record } from "./recorder.js";
import { sensesOf } from "./senses.js";

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const inDialog = () => document.querySelector("dialog[open]");

function typing(query, search) {
  const words = byId("words");
  words.addEventListener("input", () => { query.words = words.value; });
  query.addEventListener("change", () => { words.value = query.words; });
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  for (const [id, sign] of [["keep-plus", 1], ["keep-minus", -1]]) {
    byId(id).addEventListener("click", () => {
      const text = words.value.trim();
      query.words = "";
      if (text) query.add({ text, sign });
      words.focus();
    });
  }
  byId("clear").addEventListener("click", () => {
    query.clear();
    words.focus();
  });
}

function dropping(take) {
  const veil = byId("drop");
  let depth = 0;
  const show = (change) => {
    depth = Math.max(0, depth + change);
    veil.hidden = !depth || Boolean(inDialog());
  };
  addEventListener("dragenter", (event) => carriesFiles(event) && show(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && show(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    show(-depth);
    if (!inDialog()) take([...event.dataTransfer.files]);
  });
}

/** Words pasted into a field stay there; pasted anywhere else they are searched for. */
function pasting(take, say) {
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain").trim();
    if (inDialog() || (text && event.target.closest("input"))) return;
    if (files.length) take(files);
    else if (text) say(text);
    else return;
    event.preventDefault();
  });
}

function choosing(take) {
  const chooser = byId("files");
  byId("attach").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    take([...chooser.files]);
    chooser.value = "";
  });
}

function hearing(take, complain) {
  const button = byId("record");
  let running = null;
  const show = (on) => {
    button.setAttribute("aria-pressed", String(on));
    button.setAttribute("aria-label", on ? "Stop and search with the recording" : "Record a sound");
    button.style.setProperty("--level", "0");
  };
  button.addEventListener("click", async () => {
    if (running) return running.stop();
    try {
      running = await record((level) => button.style.setProperty("--level", level.toFixed(2)));
      show(true);
      take([await running.file]);
    } catch (error) {
      complain(`The microphone could not be used: ${error.message}`);
    }
    running = null;
    return show(false);
  });
}

/** Wire everything that leads into `query`. */
export function startComposing(query, search, complain) {
  const take = (files) => {
    const parts = files.map((file) => ({ file, senses: sensesOf(file) }));
    const strange = parts.filter(({ senses }) => !senses.length).map(({ file }) => file.name);
    query.add(...parts.filter(({ senses }) => senses.length).map((part) => ({ ...part, sense: part.senses[0] })));
    if (strange.length) complain(`${strange.join(", ")}: none of the kinds that can be searched with: pictures, films, sounds, depth maps, thermal pictures, movements (CSV, .npy) and texts.`);
  };
  typing(query, search);
  dropping(take);
  pasting(take, (text) => {
    query.words = text.replace(/\s+/g, " ").slice(0, byId("words").maxLength);
    query.changed();
  });
  choosing(take);
  hearing(take, complain);
}
