/**
 * WebRTC: the browser only receives. Offer and candidates go through the viewer socket. The picture counts as shown
 * when a frame has been decoded and presented, not when ICE says "connected".
 */

import type { Codec, Size } from '../protocol';
import type { TurnServers } from '../turn';
import type { LineQuality, Packets, PictureTransport, TransportEvents } from './types';

export interface WebRtcTransportOptions extends TransportEvents {
  turn: TurnServers;
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

interface Totals extends Packets {
  bytes: number;
  level: number;
  dropped: number;
  decoded: number;
  /** Whatever came on the way in use, checks included. */
  heard: number;
  overTcp: boolean;
}
/** It has been connected, and may be again. */
const ALIVE: readonly RTCPeerConnectionState[] = ['connected', 'disconnected'];
/** "disconnected" heals by itself now and then; longer than this, another transport is better. */
const DISCONNECTED_MS = 2000;
/**
 * The streamer checks more often than once a second whether we are there: no packet at all for so long, and the way is
 * lost. Not a multiple of `STATS_MS`, or chance would decide whether it takes a look more.
 */
const SILENT_MS = 1500;
/** A connection on the new network that shows no picture within this is given up; the old one goes on. */
const RENEWAL_MS = 6000;
const RENEWAL_POLL_MS = 50;

export class WebRtcTransport implements PictureTransport {
  readonly name = 'webrtc';
  readonly element = document.createElement('video');

  /** Its packets go over TCP, by a relay. Known a little after the first picture at the latest. */
  overTcp = false;

  private peer: RTCPeerConnection | null = null;
  /** Takes the place of `peer` when it has a picture: ICE cannot be restarted in place at the other end. */
  private next: RTCPeerConnection | null = null;
  private renewalTimer = 0;
  private heardAt = 0;
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
    this.peer = this.connect();
    this.firstFrameTimer = window.setTimeout(() => this.options.failed('no picture came'), FIRST_FRAME_MS);
    this.statsTimer = window.setInterval(() => void this.readStats(), STATS_MS);
    this.peer.ontrack = event => this.track(event);
  }

  private connect(): RTCPeerConnection {
    const peer = new RTCPeerConnection(this.configuration());
    const video = peer.addTransceiver('video', { direction: 'recvonly' });
    prefer(video, this.options.codecs);
    if (this.options.audio) {
      peer.addTransceiver('audio', { direction: 'recvonly' });
    }
    this.candidates = [];
    peer.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate && peer === this.offering) {
        this.candidates.push(candidate);
        this.sendCandidates();
      }
    };
    peer.onconnectionstatechange = () => this.connectionChanged(peer);
    void this.offer(peer);
    return peer;
  }

  private configuration(): RTCConfiguration {
    const { turn, relayOnly } = this.options;
    const iceTransportPolicy = relayOnly ? 'relay' : 'all';
    return { iceServers: turn.known, iceTransportPolicy, bundlePolicy: 'max-bundle' };
  }

  /** Whose offer was the last one: answer and candidates belong to it. */
  private get offering(): RTCPeerConnection | null {
    return this.next ?? this.peer;
  }

  /** The network changed: connect anew beside the running picture, and change over when there is one from there. */
  renew(): void {
    if (!this.peer || !ALIVE.includes(this.peer.connectionState) || this.next) {
      return;
    }
    const next = (this.next = this.connect());
    const tracks: MediaStreamTrack[] = [];
    next.ontrack = event => {
      withoutBuffer(event.receiver);
      tracks.push(event.track);
    };
    const began = performance.now();
    this.renewalTimer = window.setInterval(() => {
      void next.getStats().then((stats: ReadonlyMap<string, Report>) => {
        if (next !== this.next) {
          return;
        }
        if (sum(stats).decoded > 0) {
          this.changeOver(next, tracks);
        } else if (performance.now() - began > RENEWAL_MS) {
          this.dropNext();
        }
      });
    }, RENEWAL_POLL_MS);
  }

  private changeOver(next: RTCPeerConnection, tracks: readonly MediaStreamTrack[]): void {
    const old = this.peer;
    window.clearInterval(this.renewalTimer);
    window.clearTimeout(this.disconnectedTimer);
    [this.peer, this.next, this.totals] = [next, null, null];
    for (const track of tracks) {
      if (track.kind === 'audio') {
        this.options.sound(new MediaStream([track]));
      } else {
        // In the same stream: the element keeps its last picture until the new track has one.
        const stream = this.element.srcObject as MediaStream;
        const before = stream.getVideoTracks();
        stream.addTrack(track);
        before.forEach(one => stream.removeTrack(one));
      }
    }
    if (old) {
      end(old);
    }
  }

  private dropNext(): void {
    window.clearInterval(this.renewalTimer);
    if (this.next) {
      end(this.next);
      this.next = null;
    }
  }

  stop(): void {
    window.clearTimeout(this.firstFrameTimer);
    window.clearTimeout(this.disconnectedTimer);
    window.clearInterval(this.statsTimer);
    this.dropNext();
    const peer = this.peer;
    this.peer = null;
    if (peer) {
      // The element keeps the last picture of the ended stream, until another transport's takes its place.
      end(peer);
    }
  }

  /** Out of sight the streamer sends nothing. */
  hide(): void {
    return;
  }

  async answer(sdp: string): Promise<void> {
    try {
      await this.offering?.setRemoteDescription({ type: 'answer', sdp });
      this.sendCandidates();
    } catch (error) {
      this.options.failed(`answer refused: ${String(error)}`);
    }
  }

  private async offer(peer: RTCPeerConnection): Promise<void> {
    try {
      if (this.options.turn.old) {
        await this.options.turn.refresh();
        peer.setConfiguration(this.configuration());
      }
      const offer = await peer.createOffer();
      // Told to the streamer before `setLocalDescription` begins to gather: no candidate may overtake it.
      if (peer === this.offering && offer.sdp) {
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

  private sendCandidates(): void {
    if (this.offering?.remoteDescription) {
      for (const { candidate, sdpMid } of this.candidates.splice(0)) {
        this.options.send({ type: 'rtc_candidate', candidate, mid: sdpMid ?? '0' });
      }
    }
  }

  private track(event: RTCTrackEvent): void {
    withoutBuffer(event.receiver);
    if (event.track.kind === 'audio') {
      this.options.sound(new MediaStream([event.track]));
      return;
    }
    this.element.srcObject = new MediaStream([event.track]);
    this.element.play().catch(() => undefined);
    this.watchFrames();
  }

  private watchFrames(): void {
    let first = true;
    const presented = (at: number, rtp: number | undefined, size: Size | null) => {
      const picture = { captureUs: rtp === undefined ? null : this.options.captureOf(rtp), at, size };
      if (!first) {
        this.options.frame(picture);
        return;
      }
      // The first picture decides whether this transport is taken, which depends on the way it came.
      first = false;
      window.clearTimeout(this.firstFrameTimer);
      void this.readStats().then(() => {
        if (this.peer) {
          this.options.frame(picture);
        }
      });
    };
    if ('requestVideoFrameCallback' in this.element) {
      const next: VideoFrameRequestCallback = (_, { presentationTime, rtpTimestamp, width, height }) => {
        if (this.peer) {
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
    if (peer !== this.peer) {
      return;
    }
    window.clearTimeout(this.disconnectedTimer);
    if (peer.connectionState === 'failed' || peer.connectionState === 'closed') {
      this.options.failed(`connection ${peer.connectionState}`);
    } else if (peer.connectionState === 'disconnected') {
      // Browsers that keep the network to themselves tell of another one like this: its address is gone.
      this.renew();
      this.disconnectedTimer = window.setTimeout(
        () => this.options.failed('connection lost'),
        DISCONNECTED_MS,
      );
    }
  }

  private async readStats(): Promise<void> {
    const peer = this.peer;
    if (!peer || !ALIVE.includes(peer.connectionState)) {
      return;
    }
    const totals = sum(await peer.getStats());
    if (peer !== this.peer) {
      return;
    }
    const now = performance.now();
    if (this.totals?.heard !== totals.heard) {
      this.heardAt = now;
    } else if (now - this.heardAt >= SILENT_MS) {
      this.options.failed('nothing comes any more');
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
      const { received, lost: missing, retransmitted } = totals;
      const packets = { received, lost: missing, retransmitted };
      this.options.line({ loss: sent > 0 ? lost / sent : 0, dropped, packets });
    }
  }
}

type Report = RTCInboundRtpStreamStats &
  RTCIceCandidatePairStats & { relayProtocol?: string; retransmittedPacketsReceived?: number };

function sum(stats: ReadonlyMap<string, Report>): Totals {
  const totals = {
    bytes: 0,
    level: 0,
    received: 0,
    decoded: 0,
    lost: 0,
    retransmitted: 0,
    dropped: 0,
    heard: 0,
    overTcp: false,
  };
  for (const report of stats.values()) {
    const type: string = report.type;
    if (type === 'inbound-rtp') {
      totals.bytes += report.bytesReceived ?? 0;
      totals.level = Math.max(totals.level, report.audioLevel ?? 0);
      totals.received += report.packetsReceived ?? 0;
      totals.lost += report.packetsLost ?? 0;
      totals.retransmitted += report.retransmittedPacketsReceived ?? 0;
      totals.dropped += report.framesDropped ?? 0;
      totals.decoded += report.framesDecoded ?? 0;
    } else if (type === 'candidate-pair' && report.nominated) {
      totals.heard +=
        (report.bytesReceived ?? 0) + (report.requestsReceived ?? 0) + (report.responsesReceived ?? 0);
      const protocol = stats.get(report.localCandidateId ?? '')?.relayProtocol;
      totals.overTcp = protocol === 'tcp' || protocol === 'tls';
    }
  }
  return totals;
}

function end(peer: RTCPeerConnection): void {
  peer.ontrack = peer.onicecandidate = peer.onconnectionstatechange = null;
  peer.close();
}

/** Nothing is held back longer than the line's jitter makes necessary. */
function withoutBuffer(receiver: RTCRtpReceiver & { jitterBufferTarget?: number | null }): void {
  if ('jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = 0;
  }
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
