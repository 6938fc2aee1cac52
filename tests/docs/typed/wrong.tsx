import "@sharetally/share-buttons";

const buttons = document.createElement("share-buttons");
buttons.token = "a token"; // wrong: a way to one
buttons.count = null; // wrong: read only
buttons.shared = []; // wrong: read only
buttons.withdraw(); // wrong: from which platform
buttons.text = "Look"; // wrong: an attribute
customElements.get("share-buttons").token = () => null; // wrong: the script may not have run
document.addEventListener("share", (event) => event.detail.error); // wrong: of share-error alone
document.addEventListener("share", (event) => event.detail.recorded.status); // wrong: a promise
buttons.addEventListener("count", (event) => event.detail.shareCount); // wrong: it is in the property
export const number = <share-buttons content-id={7} />; // wrong: text
export const unknown = <share-buttons platfroms="copy" />; // wrong: no such attribute
export const secret = <share-buttons token="a token" />; // wrong: a way to one
