// Put into the viewer page before its own scripts: notes when a flash is on the picture and when a tone is heard.
(() => {
  const LOUD = 0.1;
  const REST_MS = 300;
  const seen = { flashes: [], beeps: [] };
  window.skew = seen;
  let context = null;
  let analyser = null;
  let lastLoud = -Infinity;

  function listen(node, where) {
    if (context !== where) {
      context = where;
      analyser = new AnalyserNode(where, { fftSize: 4096, smoothingTimeConstant: 0 });
    }
    connect.call(node, analyser);
  }
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) listen(this, to.context);
    return connect.call(this, to, ...more);
  };
  // WebRTC's sound goes straight into an <audio>: hear it in a context of our own.
  const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    ...source,
    set(stream) {
      source.set.call(this, stream);
      if (stream && this instanceof HTMLAudioElement && stream.getAudioTracks().length > 0) {
        const own = new AudioContext({ sampleRate: 48000 });
        listen(own.createMediaStreamSource(stream), own);
      }
    },
  });

  const samples = new Float32Array(4096);
  setInterval(() => {
    if (!analyser || context.state !== 'running') return;
    const now = performance.now();
    const at = context.currentTime;
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    // When the sample that the graph makes now will be heard.
    const heard = contextTime > 0 ? performanceTime + (at - contextTime) * 1000 : now + 1000 * (context.outputLatency || 0);
    analyser.getFloatTimeDomainData(samples);
    const first = samples.findIndex(sample => Math.abs(sample) > LOUD);
    if (first < 0) return;
    const begun = heard - ((samples.length - first) * 1000) / 48000;
    if (heard - lastLoud > REST_MS) seen.beeps.push(begun);
    lastLoud = heard;
  }, 8);

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
