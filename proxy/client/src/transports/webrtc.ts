/**
 * WebRTC: the browser only receives. Offer and candidates go through the viewer socket. The picture counts as shown
 * when a frame has been decoded and presented, not when ICE says "connected".
 */

import type { PictureTransport, TransportEvents } from './types';

export interface WebRtcTransportOptions extends TransportEvents {
  iceServers: RTCIceServer[];
  /** Whether there is sound at all: a connection made without cannot get it later. */
  audio: boolean;
  /** Whether sound should be sent from the start. */
  wantsSound: () => boolean;
  /** The session's sound. */
  sound: (stream: MediaStream) => void;
  /** How loud it is being played, from 0 to 1. */
  soundLevel: (level: number) => void;
}

const FIRST_FRAME_MS = 8000;
const STATS_MS = 1000;
/** "disconnected" heals by itself now and then; longer than this, another transport is better. */
const DISCONNECTED_MS = 2000;

export class WebRtcTransport implements PictureTransport {
  readonly name = 'webrtc';
  readonly element = document.createElement('video');

  private peer: RTCPeerConnection | null = null;
  private bytes = 0;
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
    const peer = new RTCPeerConnection({ iceServers: this.options.iceServers, bundlePolicy: 'max-bundle' });
    this.peer = peer;
    this.firstFrameTimer = window.setTimeout(() => this.options.failed('no picture came'), FIRST_FRAME_MS);
    this.statsTimer = window.setInterval(() => void this.readStats(peer), STATS_MS);
    const video = peer.addTransceiver('video', { direction: 'recvonly' });
    preferH264(video);
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
      peer.close();
    }
    this.element.srcObject = null;
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
        this.options.send({ type: 'start', transport: 'webrtc', audio: this.options.wantsSound() });
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
    if (event.track.kind === 'audio') {
      this.options.sound(new MediaStream([event.track]));
      return;
    }
    // Frames are shown as they come. Sound keeps its own buffer, in an element of its own.
    const receiver = event.receiver as RTCRtpReceiver & { jitterBufferTarget?: number | null };
    if ('jitterBufferTarget' in receiver) {
      receiver.jitterBufferTarget = 0;
    }
    this.element.srcObject = new MediaStream([event.track]);
    this.element.play().catch(() => undefined);
    this.watchFrames();
  }

  private watchFrames(): void {
    const peer = this.peer;
    const presented = () => {
      if (peer !== null && peer === this.peer) {
        window.clearTimeout(this.firstFrameTimer);
        this.options.frame();
        this.element.requestVideoFrameCallback(presented);
      }
    };
    if ('requestVideoFrameCallback' in this.element) {
      this.element.requestVideoFrameCallback(presented);
    } else {
      // Firefox before 132: `timeupdate` is coarse, and good enough to know that pictures come.
      const video = this.element as HTMLVideoElement;
      video.onloadeddata = video.ontimeupdate = () => {
        window.clearTimeout(this.firstFrameTimer);
        this.options.frame();
      };
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
    let total = 0;
    let level = 0;
    for (const report of (await peer.getStats()).values() as Iterable<RTCInboundRtpStreamStats>) {
      if (report.type === 'inbound-rtp') {
        total += report.bytesReceived ?? 0;
        level = Math.max(level, report.audioLevel ?? 0);
      }
    }
    if (peer === this.peer) {
      this.options.soundLevel(level);
      this.options.received(Math.max(total - this.bytes, 0));
      this.bytes = total;
    }
  }
}

/** The streamer has H.264 only; offering nothing else makes a browser without it fail at once and clearly. */
function preferH264(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const wanted = codecs.filter(codec => /^video\/(h264|rtx)$/i.test(codec.mimeType));
  if (wanted.length > 0 && 'setCodecPreferences' in transceiver) {
    transceiver.setCodecPreferences(wanted);
  }
}
