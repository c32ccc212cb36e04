// Every request to the server; a key is asked for where one is wanted.
import { askKey, storedKey } from "./key.js";

export class ApiError extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export const authorisation = () => (storedKey() ? { authorization: `Bearer ${storedKey()}` } : {});

async function failure(answer) {
  const body = await answer.json().catch(() => null);
  const message = body?.error?.message ?? `The server answered ${answer.status}.`;
  return new ApiError(message, answer.status, body);
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, headers: { ...options.headers, ...authorisation() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", 0, null);
  }
}

/** The answer to a request. Throws ApiError with the server's own message. */
export async function ask(path, options = {}) {
  for (;;) {
    const used = storedKey();
    const answer = await send(path, options);
    if (answer.ok) return answer;
    const fault = await failure(answer);
    if (answer.status !== 401) throw fault;
    await askKey(used);
  }
}

export const getJson = async (path, options) => (await ask(path, options)).json();

export const postJson = (path, value, options = {}) =>
  getJson(path, { ...options, method: "POST", body: JSON.stringify(value), headers: { "content-type": "application/json" } });

/** `a/b c` of a collection or an item as a step of a path. */
export const step = encodeURIComponent;

export const collectionPath = (name) => `v1/collections/${step(name)}`;
export const itemPath = (name, id) => `${collectionPath(name)}/items/${step(id)}`;
