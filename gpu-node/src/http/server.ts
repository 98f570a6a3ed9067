// Owns the listening socket of the node: timeouts, bounds on connections, request ids, and its close. What is served
// on it is a list of routes.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { newId, type Clock, type Random } from "@fairlane/base";
import type { Log } from "../log.ts";
import { beginExchange } from "./exchange.ts";
import {
  CLOSE_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from "./limits.ts";
import { route, type Route } from "./router.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly routes: readonly Route[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { routes, clock, random, log } = options;
    this.#server = createServer(
      { maxHeaderSize: HEADER_BYTES_MAX, noDelay: true },
      (request, response) => {
        const exchange = beginExchange(request, response, newId("req", clock, random));
        void route(exchange, routes, log);
      },
    );
    this.#server.headersTimeout = HEADERS_TIMEOUT_MS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Binds; resolves with the base URL, rejects with a sentence when the address cannot be had. */
  listen(): Promise<string> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        reject(new Error(`Cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address() as AddressInfo;
        const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
        resolve(`http://${name}:${address.port}`);
      });
    });
  }

  /** Stops listening, waits a little for answers in flight, then cuts what is left. Idempotent. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}
