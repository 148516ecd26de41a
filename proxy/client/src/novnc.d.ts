/** The part of noVNC's interface (docs/API.md of @novnc/novnc) that `transports/rfb.ts` uses; it ships no types. */
declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: string | WebSocket, options?: { shared?: boolean });
    viewOnly: boolean;
    focusOnClick: boolean;
    scaleViewport: boolean;
    background: string;
    qualityLevel: number;
    disconnect(): void;
  }
}
