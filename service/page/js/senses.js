// The senses: their order, their names, and which of them a file may belong to.

export const SENSES = ["image", "video", "audio", "depth", "thermal", "imu", "text"];
const NAMES = {
  image: "pictures", video: "films", audio: "sounds", depth: "depth", thermal: "warmth", imu: "movement", text: "words",
};
const ONE = {
  image: "picture", video: "film", audio: "sound", depth: "depth map", thermal: "thermal picture", imu: "movement", text: "words",
};

export const nameOf = (sense) => NAMES[sense] ?? sense;
export const oneOf = (sense) => ONE[sense] ?? sense;
export const signOf = (sense) => (NAMES[sense] ? sense : "other");

const ENDINGS = {
  png: ["image", "depth", "thermal"], tif: ["depth", "image", "thermal"], tiff: ["depth", "image", "thermal"],
  npy: ["depth", "thermal", "imu"], csv: ["imu"], tsv: ["imu"], txt: ["text"], md: ["text"],
};
const FAMILIES = { image: ["image", "thermal"], video: ["video"], audio: ["audio"], text: ["text"] };
const SOUNDS = /\.(wav|flac|ogg|oga|opus|mp3|m4a|aac|mka)$/i;
const FILMS = /\.(mp4|m4v|webm|mov|mkv)$/i;

/** The senses that a file may belong to, the likeliest first; empty where it looks like none. */
export function sensesOf(file) {
  const ending = file.name.split(".").pop().toLowerCase();
  const known = ENDINGS[ending] ?? FAMILIES[(file.type || "").split("/")[0]];
  if (known) return /depth/i.test(file.name) || /thermal/i.test(file.name) ? byName(file.name, known) : known;
  if (SOUNDS.test(file.name)) return ["audio"];
  return FILMS.test(file.name) ? ["video"] : [];
}

function byName(name, known) {
  const said = /thermal/i.test(name) ? "thermal" : "depth";
  return known.includes(said) ? [said, ...known.filter((each) => each !== said)] : known;
}
