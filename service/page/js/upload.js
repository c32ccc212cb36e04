// Files into the collection: one after the other, each with its progress and what the server said of it.
import { ApiError, authorisation, collectionPath } from "./api.js";
import { byId, el } from "./dom.js";
import { SENSES, oneOf, sensesOf } from "./senses.js";

function form(file) {
  const sense = byId("upload-sense").value || sensesOf(file)[0];
  const rate = byId("upload-rate").value;
  const made = new FormData();
  made.append("file", file);
  if (sense) made.append("modality", sense);
  if (sense === "imu" && rate) made.append("sample_rate", rate);
  return made;
}

/** Send one form; `onShare` hears how much of it has gone. fetch tells nothing of that, XMLHttpRequest does. */
function sent(path, body, onShare) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(authorisation())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onShare(event.loaded / event.total));
    request.addEventListener("error", () => reject(new ApiError("The server cannot be reached.", 0, null)));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(request.response.results[0]);
      else reject(new ApiError(request.response?.error?.message ?? `The server answered ${request.status}.`, request.status));
    });
    request.send(body);
  });
}

function line(file) {
  const said = el("span", { class: "said" }, "waiting");
  const made = el("li", {}, el("span", { class: "file" }, file.name), said);
  return { made, say: (text, state) => { said.textContent = text; made.dataset.state = state; } };
}

function progress(share, count) {
  byId("upload-progress").value = share;
  byId("upload-share").textContent = `${Math.round(share * 100)} % of ${count}`;
}

async function take(name, files, stored) {
  const lines = files.map(line);
  byId("upload-list").prepend(...lines.map((each) => each.made));
  let good = 0;
  for (const [i, file] of files.entries()) {
    try {
      const result = await sent(`${collectionPath(name)}/items`, form(file), (share) => progress((i + share) / files.length, files.length));
      lines[i].say([oneOf(result.modality), ...(result.notes ?? [])].join(" · "), "stored");
      good += 1;
    } catch (error) {
      lines[i].say(error.message, "refused");
    }
    progress((i + 1) / files.length, files.length);
  }
  byId("upload-status").textContent = `${good} of ${files.length} stored${good < files.length ? `, ${files.length - good} refused` : ""}.`;
  if (good) stored();
}

/** `collections.name` is where files go; `stored` is called after any came in. */
export function startUploads(collections, stored) {
  const dialog = byId("upload");
  const chooser = byId("upload-files");
  byId("upload-sense").append(el("option", { value: "" }, "what they look like"), ...SENSES.map((sense) => el("option", { value: sense }, oneOf(sense))));
  byId("add-files").addEventListener("click", () => {
    byId("upload-title").textContent = `Add files to ${collections.name}`;
    dialog.showModal();
  });
  const begin = (files) => files.length && take(collections.name, [...files], stored);
  chooser.addEventListener("change", async () => {
    await begin([...chooser.files]);
    chooser.value = "";
  });
  dialog.addEventListener("drop", (event) => {
    event.preventDefault();
    begin(event.dataTransfer.files);
  });
  dialog.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
}
