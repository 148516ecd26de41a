/**
 * WebRTC: the browser only receives. Offer and candidates go through the viewer socket. The picture counts as shown
 * when a frame has been decoded and presented, not when ICE says "connected".
 */

import type { Codec, Size } from '../protocol';
import type { LineQuality, PictureTransport, TransportEvents } from './types';

export interface WebRtcTransportOptions extends TransportEvents {
  iceServers: RTCIceServer[];
  /** Use these servers, and no direct way. */
  relayOnly: boolean;
  /** Whether there is sound at all: a connection made without cannot get it later. */
  audio: boolean;
  /** What browser and streamer share, the best first. */
  codecs: readonly Codec[];
  /** Ask the streamer for media, once it has the offer. */
  ask: () => void;
  /** When the frame with this RTP timestamp was captured. */
  captureOf: (rtp: number) => number | null;
  line: (quality: LineQuality) => void;
  /** The session's sound. */
  sound: (stream: MediaStream) => void;
  /** How loud it is being played, from 0 to 1. */
  soundLevel: (level: number) => void;
}

const FIRST_FRAME_MS = 8000;
const STATS_MS = 1000;

interface Totals {
  bytes: number;
  level: number;
  received: number;
  lost: number;
  dropped: number;
  overTcp: boolean;
}
/** "disconnected" heals by itself now and then; longer than this, another transport is better. */
const DISCONNECTED_MS = 2000;

export class WebRtcTransport implements PictureTransport {
  readonly name = 'webrtc';
  readonly element = document.createElement('video');

  /** Its packets go over TCP, by a relay. Known a little after the first picture at the latest. */
  overTcp = false;

  private peer: RTCPeerConnection | null = null;
  private totals: Totals | null = null;
  /** Not sent yet: the streamer takes candidates once it has answered. */
  private candidates: RTCIceCandidate[] = [];
  private firstFrameTimer = 0;
  private disconnectedTimer = 0;
  private statsTimer = 0;

  constructor(private readonly options: WebRtcTransportOptions) {
    this.element.muted = true;
    this.element.autoplay = true;
    this.element.playsInline = true;
    this.element.disablePictureInPicture = true;
  }

  start(): void {
    const { iceServers, relayOnly } = this.options;
    const iceTransportPolicy = relayOnly ? 'relay' : 'all';
    const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy, bundlePolicy: 'max-bundle' });
    this.peer = peer;
    this.firstFrameTimer = window.setTimeout(() => this.options.failed('no picture came'), FIRST_FRAME_MS);
    this.statsTimer = window.setInterval(() => void this.readStats(peer), STATS_MS);
    const video = peer.addTransceiver('video', { direction: 'recvonly' });
    prefer(video, this.options.codecs);
    if (this.options.audio) {
      peer.addTransceiver('audio', { direction: 'recvonly' });
    }
    peer.ontrack = event => this.track(event);
    peer.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) {
        this.candidates.push(candidate);
        this.sendCandidates(peer);
      }
    };
    peer.onconnectionstatechange = () => this.connectionChanged(peer);
    void this.offer(peer);
  }

  stop(): void {
    window.clearTimeout(this.firstFrameTimer);
    window.clearTimeout(this.disconnectedTimer);
    window.clearInterval(this.statsTimer);
    const peer = this.peer;
    this.peer = null;
    if (peer) {
      peer.ontrack = peer.onicecandidate = peer.onconnectionstatechange = null;
      // The element keeps the last picture of the ended stream, until another transport's takes its place.
      peer.close();
    }
  }

  /** Out of sight the streamer sends nothing. */
  hide(): void {
    return;
  }

  async answer(sdp: string): Promise<void> {
    try {
      const peer = this.peer;
      await peer?.setRemoteDescription({ type: 'answer', sdp });
      this.sendCandidates(peer);
    } catch (error) {
      this.options.failed(`answer refused: ${String(error)}`);
    }
  }

  private async offer(peer: RTCPeerConnection): Promise<void> {
    try {
      const offer = await peer.createOffer();
      // Told to the streamer before `setLocalDescription` begins to gather: no candidate may overtake it.
      if (peer === this.peer && offer.sdp) {
        this.options.send({ type: 'rtc_offer', sdp: offer.sdp });
        this.options.ask();
        await peer.setLocalDescription(offer);
      }
    } catch (error) {
      if (peer === this.peer) {
        this.options.failed(`offer failed: ${String(error)}`);
      }
    }
  }

  private sendCandidates(peer: RTCPeerConnection | null): void {
    if (peer?.remoteDescription && peer === this.peer) {
      for (const { candidate, sdpMid } of this.candidates.splice(0)) {
        this.options.send({ type: 'rtc_candidate', candidate, mid: sdpMid ?? '0' });
      }
    }
  }

  private track(event: RTCTrackEvent): void {
    // Nothing is held back longer than the line's jitter makes necessary; sound has a buffer and an element of its own.
    const receiver = event.receiver as RTCRtpReceiver & { jitterBufferTarget?: number | null };
    if ('jitterBufferTarget' in receiver) {
      receiver.jitterBufferTarget = 0;
    }
    if (event.track.kind === 'audio') {
      this.options.sound(new MediaStream([event.track]));
      return;
    }
    this.element.srcObject = new MediaStream([event.track]);
    this.element.play().catch(() => undefined);
    this.watchFrames();
  }

  private watchFrames(): void {
    const peer = this.peer;
    let first = true;
    const presented = (at: number, rtp: number | undefined, size: Size | null) => {
      const picture = { captureUs: rtp === undefined ? null : this.options.captureOf(rtp), at, size };
      if (!first || peer === null) {
        this.options.frame(picture);
        return;
      }
      // The first picture decides whether this transport is taken, which depends on the way it came.
      first = false;
      window.clearTimeout(this.firstFrameTimer);
      void this.readStats(peer).then(() => {
        if (peer === this.peer) {
          this.options.frame(picture);
        }
      });
    };
    if ('requestVideoFrameCallback' in this.element) {
      const next: VideoFrameRequestCallback = (_, { presentationTime, rtpTimestamp, width, height }) => {
        if (peer !== null && peer === this.peer) {
          presented(presentationTime, rtpTimestamp, { width, height });
          this.element.requestVideoFrameCallback(next);
        }
      };
      this.element.requestVideoFrameCallback(next);
    } else {
      // Firefox before 132: `timeupdate` is coarse, and good enough to know that pictures come.
      const video = this.element as HTMLVideoElement;
      video.onloadeddata = video.ontimeupdate = () => presented(performance.now(), undefined, null);
    }
  }

  private connectionChanged(peer: RTCPeerConnection): void {
    window.clearTimeout(this.disconnectedTimer);
    if (peer.connectionState === 'failed' || peer.connectionState === 'closed') {
      this.options.failed(`connection ${peer.connectionState}`);
    } else if (peer.connectionState === 'disconnected') {
      this.disconnectedTimer = window.setTimeout(
        () => this.options.failed('connection lost'),
        DISCONNECTED_MS,
      );
    }
  }

  private async readStats(peer: RTCPeerConnection): Promise<void> {
    if (peer.connectionState !== 'connected') {
      return;
    }
    const totals = sum(await peer.getStats());
    if (peer !== this.peer) {
      return;
    }
    const before = this.totals;
    this.totals = totals;
    this.overTcp = totals.overTcp;
    this.options.soundLevel(totals.level);
    this.options.received(Math.max(totals.bytes - (before?.bytes ?? 0), 0));
    if (before) {
      const lost = Math.max(totals.lost - before.lost, 0);
      const sent = Math.max(totals.received - before.received, 0) + lost;
      const dropped = Math.max(totals.dropped - before.dropped, 0);
      this.options.line({ loss: sent > 0 ? lost / sent : 0, dropped });
    }
  }
}

type Report = RTCInboundRtpStreamStats &
  RTCTransportStats & { nominated?: boolean; localCandidateId?: string; relayProtocol?: string };

function sum(stats: ReadonlyMap<string, Report>): Totals {
  const totals = { bytes: 0, level: 0, received: 0, lost: 0, dropped: 0, overTcp: false };
  for (const report of stats.values()) {
    const type: string = report.type;
    if (type === 'inbound-rtp') {
      totals.bytes += report.bytesReceived ?? 0;
      totals.level = Math.max(totals.level, report.audioLevel ?? 0);
      totals.received += report.packetsReceived ?? 0;
      totals.lost += report.packetsLost ?? 0;
      totals.dropped += report.framesDropped ?? 0;
    } else if (type === 'candidate-pair' && report.nominated) {
      const protocol = stats.get(report.localCandidateId ?? '')?.relayProtocol;
      totals.overTcp = protocol === 'tcp' || protocol === 'tls';
    }
  }
  return totals;
}

const MIME = { h264: 'video/H264', vp8: 'video/VP8', jpeg: null } as const satisfies Record<
  Codec,
  string | null
>;

/** Offering only what the streamer has makes a browser without it fail at once and clearly. */
function prefer(transceiver: RTCRtpTransceiver, codecs: readonly Codec[]): void {
  const known = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const wanted = [...codecs.map(codec => MIME[codec]), 'video/rtx'].flatMap(mime =>
    known.filter(codec => codec.mimeType.toLowerCase() === mime?.toLowerCase()),
  );
  if (wanted.length > 0 && 'setCodecPreferences' in transceiver) {
    transceiver.setCodecPreferences(wanted);
  }
}
