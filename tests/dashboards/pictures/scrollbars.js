// The class itself: its package is CommonJS, so a module of Grafana's that imports it would get an object around it.
export { default } from 'scrollbars';
