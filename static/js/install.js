// 安裝讀卡元件: where it is published, and its own page.

import { element } from "/js/page.js";
import { config } from "/js/service.js";

const { bridgeUrl, bridgeDownloads } = await config();
element("self-test").href = `${bridgeUrl}/v1/self-test`;
if (bridgeDownloads) {
  element("downloads").querySelector("a").href = bridgeDownloads;
  element("downloads").hidden = false;
  element("no-downloads").hidden = true;
}
