// Elements of the page. Text from the user or the server is inserted as text nodes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = ["svg", "text", "line", "g", "title", "rect"];

export const byId = id => document.getElementById(id);
export const percent = share => `${Math.round(100 * share)} %`;
export const capitalized = text => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

export function element(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
