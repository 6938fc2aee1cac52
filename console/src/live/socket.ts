/** One WebSocket for the whole page: it reconnects, subscribes to everything again, and reports its state. */

import { serviceUrl } from "../urls";

export type Topic = "activity" | { readonly contentType: string; readonly contentId: string };
type Listener = (message: Message) => void;

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
export type ConnectionState = "connecting" | "live" | "away";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const TRIES_BEFORE_AWAY = 2;

class Live {
  #socket: WebSocket | undefined;
  #subscriptions = new Map<string, { topic: Topic; listeners: Set<Listener> }>();
  #failed = 0;
  #timer = 0;
  #observers = new Set<(state: ConnectionState) => void>();
  state: ConnectionState = "connecting";

  /** Receive the messages of a topic until the returned function is called. */
  subscribe(topic: Topic, listener: Listener): () => void {
    const key = keyOf(topic);
    const entry = this.#subscriptions.get(key) ?? { topic, listeners: new Set() };
    this.#subscriptions.set(key, entry);
    entry.listeners.add(listener);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send("subscribe", topic);
    else if (!this.#socket) this.#open();
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size) return;
      this.#subscriptions.delete(key);
      this.#send("unsubscribe", topic);
      if (!this.#subscriptions.size) this.#close();
    };
  }

  observe(observer: (state: ConnectionState) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  #open(): void {
    const address = new URL(serviceUrl("live"), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => {
      this.#failed = 0;
      this.#setState("live");
      for (const { topic } of this.#subscriptions.values()) this.#send("subscribe", topic);
    };
    socket.onmessage = ({ data }) => this.#dispatch(JSON.parse(String(data)) as Message);
    socket.onclose = () => this.#socket === socket && this.#lost();
  }

  #dispatch(message: Message): void {
    const key = "activity" in message ? "activity" : "contentType" in message ? keyOf(message) : "";
    for (const listener of this.#subscriptions.get(key)?.listeners ?? []) listener(message);
  }

  #lost(): void {
    this.#socket = undefined;
    this.#failed += 1;
    this.#setState(this.#failed > TRIES_BEFORE_AWAY ? "away" : "connecting");
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failed) * (0.5 + Math.random());
    this.#timer = window.setTimeout(() => this.#open(), pause);
  }

  #close(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  #send(word: "subscribe" | "unsubscribe", topic: Topic): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ [word]: topic === "activity" ? topic : [named(topic)] }));
  }

  #setState(state: ConnectionState): void {
    this.state = state;
    for (const observer of this.#observers) observer(state);
  }
}

const named = ({ contentType, contentId }: Exclude<Topic, string>) => ({ contentType, contentId });
const keyOf = (topic: Topic): string => (topic === "activity" ? topic : `${topic.contentType}/${topic.contentId}`);

export const live = new Live();
