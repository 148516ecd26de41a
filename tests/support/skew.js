// Put into the viewer page before its own scripts: notes when a flash is on the picture and when a tone is heard.
(() => {
  const LOUD = 0.1;
  const REST_MS = 300;
  const seen = { flashes: [], beeps: [] };
  window.skew = seen;
  // One for each context: while the transport changes, sound goes now here and now there.
  const ears = new Map();
  let lastLoud = -Infinity;

  function listen(node, context) {
    if (!ears.has(context)) {
      ears.set(context, new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 }));
    }
    connect.call(node, ears.get(context));
  }
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) listen(this, to.context);
    return connect.call(this, to, ...more);
  };
  // WebRTC's sound goes straight into an <audio>. A context of our own would be heard later than that, by a queue and by
  // its own way out; so what is handed to the element counts, and how much later the browser says that it is heard.
  const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    ...source,
    set(stream) {
      source.set.call(this, stream);
      if (stream && this instanceof HTMLAudioElement && stream.getAudioTracks().length > 0) {
        void overhear(stream.getAudioTracks()[0]);
      }
    },
  });

  const peers = [];
  const Peer = RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      peers.push(this);
    }
  };
  let playoutDelay = null;
  setInterval(async () => {
    const stats = await peers.at(-1)?.getStats();
    const playout = [...(stats?.values() ?? [])].find(one => one.type === 'media-playout');
    if (playout?.totalSamplesCount) playoutDelay = (1000 * playout.totalPlayoutDelay) / playout.totalSamplesCount;
  }, 500);

  async function overhear(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    let clock = Infinity;
    for (;;) {
      const { value: data, done } = await reader.read();
      if (done) return;
      const handed = data.timestamp / 1000;
      // The quickest that came through says how the two clocks differ: a page may be late to read.
      clock = Math.min(clock, performance.now() - handed);
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      const first = samples.findIndex(sample => Math.abs(sample) > LOUD);
      if (first >= 0 && playoutDelay !== null) {
        note(handed + clock + playoutDelay + (first * 1000) / data.sampleRate);
      }
      data.close();
    }
  }

  function note(begun) {
    if (begun - lastLoud > REST_MS) seen.beeps.push(begun);
    lastLoud = begun;
  }

  const samples = new Float32Array(4096);
  setInterval(() => ears.forEach(hear), 8);
  function hear(analyser, context) {
    if (context.state !== 'running') return;
    const now = performance.now();
    const at = context.currentTime;
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    // When the sample that the graph makes now will be heard.
    const heard = contextTime > 0 ? performanceTime + (at - contextTime) * 1000 : now + 1000 * (context.outputLatency || 0);
    analyser.getFloatTimeDomainData(samples);
    const first = samples.findIndex(sample => Math.abs(sample) > LOUD);
    if (first < 0) return;
    note(heard - ((samples.length - first) * 1000) / context.sampleRate);
  }

  const dot = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  dot.canvas.width = dot.canvas.height = 1;
  let lit = false;
  function look() {
    const shown = document.querySelector('.ss-picture.ss-shown');
    const element = shown?.matches('video, canvas') ? shown : shown?.querySelector('canvas');
    const width = element?.videoWidth || element?.width || 0;
    const height = element?.videoHeight || element?.height || 0;
    if (width > 1) {
      dot.drawImage(element, width / 2, height / 2, 1, 1, 0, 0, 1, 1);
      const now = dot.getImageData(0, 0, 1, 1).data[1] > 128;
      if (now && !lit) seen.flashes.push(performance.now());
      lit = now;
    }
    setTimeout(look, 2);
  }
  look();
})();
