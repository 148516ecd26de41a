// Put into every page before its own scripts. `streamBench` looks at the element that shows the remote picture, the
// same way whoever shows it: <video>, <canvas>, and a canvas that a worker draws on.
//
// "Presented" is the moment from which on the browser has the picture and will put it on the display at its next
// refresh. For a <video> the browser tells it (`presentationTime` of requestVideoFrameCallback). A <canvas> tells
// nothing: it is looked at every millisecond, and only while something is awaited.
(() => {
  const pause = ms =>
    window.scheduler?.postTask
      ? scheduler.postTask(() => 0, { delay: ms })
      : new Promise(r => setTimeout(r, ms));
  const sample = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  sample.canvas.width = sample.canvas.height = 1;
  let pressed = null;
  addEventListener('pointerdown', () => pressed?.(performance.now()), { capture: true });

  function all(root) {
    const found = [...root.querySelectorAll('video, canvas')];
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) found.push(...all(element.shadowRoot));
    }
    return found;
  }

  // The largest visible video or canvas that has a picture; the last of several, since that is on top.
  function picture() {
    let best = null;
    let most = 1;
    for (const element of all(document)) {
      const { width, height } = element.getBoundingClientRect();
      const visible = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      const filled = element instanceof HTMLVideoElement ? element.videoWidth > 0 : element.width > 0;
      if (visible && filled && !element.matches(window.streamBenchNot ?? 'none') && width * height >= most) {
        best = element;
        most = width * height;
      }
    }
    return best;
  }

  function luma(element, x, y, screen) {
    const width = element.videoWidth || element.width;
    const height = element.videoHeight || element.height;
    sample.drawImage(
      element,
      Math.floor((x * width) / screen.width),
      Math.floor((y * height) / screen.height),
      1,
      1,
      0,
      0,
      1,
      1,
    );
    const [r, g, b] = sample.getImageData(0, 0, 1, 1).data;
    return 0.3 * r + 0.59 * g + 0.11 * b;
  }

  // Calls `see(when, presented)` for each picture that the element gets, until it returns true or time is up.
  // `presented` counts the pictures of a video, of which it may be told of only every second one.
  async function watch(element, end, see) {
    if (element instanceof HTMLVideoElement) {
      await new Promise(resolve => {
        const timer = setTimeout(resolve, end - performance.now());
        const told = (_, { presentationTime, presentedFrames }) => {
          if (performance.now() >= end || see(presentationTime, presentedFrames)) {
            clearTimeout(timer);
            resolve();
          } else {
            element.requestVideoFrameCallback(told);
          }
        };
        element.requestVideoFrameCallback(told);
      });
    } else {
      while (performance.now() < end && !see(performance.now(), null)) await pause(1);
    }
  }

  function nextFrame(video) {
    return Promise.race([pause(50), new Promise(resolve => video.requestVideoFrameCallback(resolve))]);
  }

  let result = null;
  window.streamBench = {
    // Get ready for one click on the probe. `outcome` then gives milliseconds from the page's pointerdown, or null.
    arm(probe, screen, limit) {
      const element = picture();
      const wasLit = luma(element, ...probe, screen) > 128;
      result = new Promise(resolve => {
        pressed = async at => {
          pressed = null;
          let seen = null;
          await watch(element, at + limit, when => {
            const changed = luma(element, ...probe, screen) > 128 !== wasLit;
            if (changed) seen = when - at;
            return changed;
          });
          resolve(seen);
        };
      });
    },
    outcome: () => result,
    // Where on the page the framebuffer's pixel is.
    place(x, y, screen) {
      const box = picture().getBoundingClientRect();
      return [
        box.left + ((x + 0.5) * box.width) / screen.width,
        box.top + ((y + 0.5) * box.height) / screen.height,
      ];
    },
    // When it began to look, and when the element got another picture (by the bar code) within `duration` ms;
    // milliseconds since 1970.
    async frames(code, screen, duration) {
      const element = picture();
      if (!element) return pause(duration).then(() => []);
      const strip = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      strip.canvas.width = code.length;
      strip.canvas.height = 1;
      const times = [performance.timeOrigin + performance.now()];
      let last = null;
      let counted = 0;
      await watch(element, performance.now() + duration, (when, presented) => {
        const width = element.videoWidth || element.width;
        const height = element.videoHeight || element.height;
        const [left, y] = code[0];
        const step = code[1][0] - left;
        const scaleX = width / screen.width;
        strip.imageSmoothingEnabled = false;
        strip.drawImage(
          element,
          (left - step / 2) * scaleX,
          Math.floor((y * height) / screen.height),
          step * code.length * scaleX,
          1,
          0,
          0,
          code.length,
          1,
        );
        const { data } = strip.getImageData(0, 0, code.length, 1);
        let number = 0;
        for (let bit = 0; bit < code.length; bit++) if (data[4 * bit + 1] > 128) number |= 1 << bit;
        if (last !== null && number !== last) {
          // Pictures between two callbacks count, the same picture sent twice does not.
          const advance = (number - last + (1 << code.length)) % (1 << code.length);
          const pictures = presented === null ? 1 : Math.min(advance, presented - counted);
          for (let i = 0; i < pictures; i++) times.push(performance.timeOrigin + when);
        }
        if (number !== last) counted = presented;
        last = number;
        return false;
      });
      return times;
    },
    hasPicture: () => picture() !== null,
    // Milliseconds from navigation until the picture is light at `at`; looks from the page's beginning on.
    async lit(at, screen, limit) {
      while (performance.now() < limit) {
        const element = document.querySelector('video, canvas') && picture();
        if (element && luma(element, ...at, screen) > 128) return performance.now();
        // Asking a page for its layout every few milliseconds makes it lay itself out as often: it is asked when there
        // can be something to see.
        await (element instanceof HTMLVideoElement ? nextFrame(element) : pause(4));
      }
      return limit;
    },
    luma: (x, y, screen) => (picture() ? luma(picture(), x, y, screen) : null),
  };
})();
