/**
 * Which apps open which files. Directory listings carry no MIME types and JupyterLab's own registry knows the types
 * that JupyterLab shows, so the types of desktop documents are told by extension here.
 */
import type { App } from './tokens';

/** The extensions of a MIME type, separated by blanks (IANA registrations, and shared-mime-info for what has none). */
const KNOWN: Readonly<Record<string, string>> = {
  'application/epub+zip': 'epub',
  'application/geo+json': 'geojson',
  'application/geopackage+sqlite3': 'gpkg',
  'application/gpx+xml': 'gpx',
  'application/illustrator': 'ai',
  'application/json': 'json',
  'application/msword': 'doc dot',
  'application/pdf': 'pdf',
  'application/postscript': 'ps eps ai',
  'application/rtf': 'rtf',
  'application/toml': 'toml',
  'application/vnd.google-earth.kml+xml': 'kml',
  'application/vnd.google-earth.kmz': 'kmz',
  'application/vnd.ms-excel': 'xls xlt',
  'application/vnd.ms-powerpoint': 'ppt pps',
  'application/vnd.oasis.opendocument.graphics': 'odg',
  'application/vnd.oasis.opendocument.presentation': 'odp',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/x-blender': 'blend',
  'application/x-esri-shape': 'shp',
  'application/x-qgis-project': 'qgs qgz',
  'application/x-qgis-project-container': 'qgz',
  'application/x-sh': 'sh',
  'application/x-shellscript': 'sh',
  'application/xhtml+xml': 'xhtml',
  'application/xml': 'xml',
  'application/yaml': 'yaml yml',
  'application/zip': 'zip',
  'audio/flac': 'flac',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg oga',
  'audio/x-wav': 'wav',
  'image/bmp': 'bmp',
  'image/gif': 'gif',
  'image/heif': 'heif heic',
  'image/jp2': 'jp2',
  'image/jpeg': 'jpg jpeg jpe',
  'image/openraster': 'ora',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/svg+xml-compressed': 'svgz',
  'image/tiff': 'tif tiff',
  'image/vnd.adobe.photoshop': 'psd',
  'image/webp': 'webp',
  'image/x-compressed-xcf': 'xcfgz',
  'image/x-eps': 'eps',
  'image/x-exr': 'exr',
  'image/x-icon': 'ico',
  'image/x-portable-anymap': 'pnm pbm pgm ppm',
  'image/x-portable-bitmap': 'pbm',
  'image/x-portable-graymap': 'pgm',
  'image/x-portable-pixmap': 'ppm',
  'image/x-psd': 'psd',
  'image/x-tga': 'tga',
  'image/x-xcf': 'xcf',
  'model/gltf+json': 'gltf',
  'model/gltf-binary': 'glb',
  'model/obj': 'obj',
  'model/stl': 'stl',
  'text/css': 'css',
  'text/csv': 'csv',
  'text/html': 'html htm',
  'text/javascript': 'js mjs',
  'text/markdown': 'md',
  'text/plain': 'txt log text',
  'text/rtf': 'rtf',
  'text/tab-separated-values': 'tsv',
  'text/x-c': 'c h',
  'text/x-c++': 'cpp cc cxx hpp',
  'text/x-c++src': 'cpp cc cxx',
  'text/x-csrc': 'c',
  'text/x-java': 'java',
  'text/x-matlab': 'm',
  'text/x-octave': 'm',
  'text/x-python': 'py',
  'text/x-r': 'r',
  'text/x-rst': 'rst',
  'text/x-tex': 'tex',
  'video/mp4': 'mp4 m4v',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
};

const TYPES = new Map<string, string[]>();
for (const [type, extensions] of Object.entries(KNOWN)) {
  for (const extension of extensions.split(' ')) {
    TYPES.set(extension, [...(TYPES.get(extension) ?? []), type]);
  }
}

/** Every extension that tells something. */
export const EXTENSIONS: readonly string[] = [...TYPES.keys()];

/** The MIME types of a file named `path`: those `known` from elsewhere and those that its extension tells. */
export function mimeTypes(path: string, known: readonly string[] = []): string[] {
  const dot = path.lastIndexOf('.');
  const extension = path.slice(dot + 1).toLowerCase();
  return [...new Set([...known, ...(dot < 0 ? [] : (TYPES.get(extension) ?? []))])];
}

/** Whether `app` opens files of one of `types`. An app's type may be a whole family: `image/*`. */
export function opens(app: App, types: readonly string[]): boolean {
  return app.mime_types.some(wanted =>
    wanted.endsWith('/*') ? types.some(type => type.startsWith(wanted.slice(0, -1))) : types.includes(wanted),
  );
}
