/** One WebSocket for the whole page: asks again for everything after it was lost, and says how it stands. */

import { outside } from "../places";

export type Topic = "activity" | { readonly contentType: string; readonly contentId: string };
type Hear = (message: Message) => void;

export interface Minute {
  readonly minute: string;
  readonly channel: string;
  readonly shares: number;
}

export interface LiveCount {
  readonly contentType: string;
  readonly contentId: string;
  readonly shareCount: number;
  readonly breakdown: Record<"evidence" | "channel" | "campaign", Record<string, number>>;
  readonly version: number;
  readonly asOf: string | null;
}

export type Message = { readonly activity: readonly Minute[] } | LiveCount;
export type Standing = "connecting" | "live" | "away";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const TRIES_BEFORE_AWAY = 2;

class Live {
  #socket: WebSocket | undefined;
  #hearing = new Map<string, { topic: Topic; hear: Set<Hear> }>();
  #failed = 0;
  #timer = 0;
  #watching = new Set<(standing: Standing) => void>();
  standing: Standing = "connecting";

  /** Hear of a topic until the returned function is called. */
  subscribe(topic: Topic, hear: Hear): () => void {
    const key = keyOf(topic);
    const entry = this.#hearing.get(key) ?? { topic, hear: new Set() };
    this.#hearing.set(key, entry);
    entry.hear.add(hear);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#say("subscribe", topic);
    else if (!this.#socket) this.#open();
    return () => {
      entry.hear.delete(hear);
      if (entry.hear.size) return;
      this.#hearing.delete(key);
      this.#say("unsubscribe", topic);
      if (!this.#hearing.size) this.#close();
    };
  }

  watch(seen: (standing: Standing) => void): () => void {
    this.#watching.add(seen);
    return () => this.#watching.delete(seen);
  }

  #open(): void {
    const address = new URL(outside("live"), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => {
      this.#failed = 0;
      this.#stands("live");
      for (const { topic } of this.#hearing.values()) this.#say("subscribe", topic);
    };
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(String(data)) as Message);
    socket.onclose = () => this.#socket === socket && this.#lost();
  }

  #heard(message: Message): void {
    const key = "activity" in message ? "activity" : "contentType" in message ? keyOf(message) : "";
    for (const hear of this.#hearing.get(key)?.hear ?? []) hear(message);
  }

  #lost(): void {
    this.#socket = undefined;
    this.#failed += 1;
    this.#stands(this.#failed > TRIES_BEFORE_AWAY ? "away" : "connecting");
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failed) * (0.5 + Math.random());
    this.#timer = window.setTimeout(() => this.#open(), pause);
  }

  #close(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  #say(word: "subscribe" | "unsubscribe", topic: Topic): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ [word]: topic === "activity" ? topic : [named(topic)] }));
  }

  #stands(standing: Standing): void {
    this.standing = standing;
    for (const seen of this.#watching) seen(standing);
  }
}

const named = ({ contentType, contentId }: Exclude<Topic, string>) => ({ contentType, contentId });
const keyOf = (topic: Topic): string => (topic === "activity" ? topic : `${topic.contentType}/${topic.contentId}`);

export const live = new Live();
