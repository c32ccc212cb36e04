// The page: where its pieces meet.
import { getJson } from "./api.js";
import { isFar } from "./card.js";
import { showChips } from "./chips.js";
import { Collections } from "./collections.js";
import { startComposing } from "./compose.js";
import { byId, closers } from "./dom.js";
import { titleOf } from "./figure.js";
import { Finer } from "./finer.js";
import { showIdeas } from "./ideas.js";
import { openItem } from "./item.js";
import { MapView } from "./map/view.js";
import { Query } from "./query.js";
import { Results } from "./results.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { startUploads } from "./upload.js";

const GALLERY = "gallery";
const FEW = 5;
const AGAIN_MS = 2000;

const query = new Query();
const finer = new Finer();
const part = (item, sign) => ({ id: item.id, collection: collections.name, label: titleOf(item), sense: item.modality, sign });
const doing = {
  open: (item) => openItem(collections.name, item, doing),
  near: (item) => query.only(part(item, 1)),
  plus: (item) => query.add(part(item, 1)),
  minus: (item) => query.add(part(item, -1)),
  gone: () => collections.refresh(),
};
const results = new Results(query, finer, doing);
const complain = (message) => results.complain(message);
const collections = new Collections(complain);
const map = new MapView(doing);

/** The hits to show on the map: those that are likely related, or else the first few. */
function standingOut(items) {
  const likely = items.filter((item) => !isFar(item));
  return likely.length ? likely : items.slice(0, FEW);
}

const search = () => {
  byId("clear").hidden = query.isEmpty;
  byId("ideas").hidden = !query.isEmpty || collections.name !== GALLERY;
  return collections.name ? results.start(collections.name) : undefined;
};

function look() {
  if (!collections.name) {
    byId("results").replaceChildren();
    byId("status").textContent = "There is no collection yet. Make one, or wait a moment for the gallery.";
  }
  finer.offer(collections.current?.items ?? {});
  showIdeas((words) => {
    query.clear();
    query.words = words;
    query.changed();
  });
  map.choose(collections.name, collections.current?.items ?? {});
  return query.moveTo(collections.name) ? undefined : search();
}

/** What `readyz` says once the server can be reached and has loaded its model. */
async function whenReady() {
  for (;;) {
    try {
      return await getJson("readyz");
    } catch (error) {
      if (error.status !== 0 && error.status !== 503) throw error;
      complain(`${error.message} Trying again…`);
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  }
}

async function start() {
  const ready = await whenReady();
  complain("");
  byId("model").textContent = `· ${ready.model}`;
  await collections.refresh();
  await collections.watch();
}

startTheme();
closers();
startTabs({ near: () => map.hide(), map: () => map.show() });
showChips(byId("parts"), query);
startComposing(query, search, complain);
startUploads(collections, () => collections.refresh());
query.addEventListener("change", search);
finer.addEventListener("change", search);
collections.addEventListener("change", look);
results.addEventListener("shown", (event) => map.highlight(standingOut(event.detail)));
start().catch((error) => complain(error.message));
