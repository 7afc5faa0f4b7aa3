declare module 'virtual:emoji' {
  const list: import('../emoji').EmojiData;
  export default list;
}
