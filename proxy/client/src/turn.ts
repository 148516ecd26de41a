/** TURN servers whose credentials hold when a connection is made, however long the page has been open. */

export type FetchServers = () => Promise<RTCIceServer[] | null>;

/** Half of the shortest life that credentials are given: what `hello` brought holds for so long at least. */
const YOUNG_MS = 30_000;

export class TurnServers {
  private at: number;

  /** `servers`: what `hello` brought, just now; none of them: there is no TURN, and nothing to ask for. */
  constructor(
    private servers: RTCIceServer[],
    private readonly fetchServers: FetchServers,
    private readonly now: () => number = () => Date.now(),
  ) {
    this.at = now();
  }

  /** What is known, however old. */
  get known(): RTCIceServer[] {
    return this.servers;
  }

  /** Whether to `refresh` before they are used. */
  get old(): boolean {
    return this.servers.length > 0 && this.now() - this.at > YOUNG_MS;
  }

  /** Ask for new ones; where there is no answer the old ones stay, which may still hold. */
  async refresh(): Promise<void> {
    const servers = await this.fetchServers();
    if (servers) {
      [this.servers, this.at] = [servers, this.now()];
    }
  }
}
